"""Reads the topics beside `user-events` of the partitions that this process has, from offsets that are given.

The group assigns partitions of `user-events` alone: of several topics it could give two processes the same number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.kafka.client.client_options import client_options
from streams.kafka.closing import close_all
from streams.kafka.group_consumer import Fetched
from streams.kafka.undecodable import isolating_consumer
from streams.settings.sections import KafkaSettings

_FETCH_MS: Final = 50
_POLL_S: Final = 0.02


class PartitionReader:
    """Committed records of partitions. Not to be used from two tasks at once."""

    def __init__(self, kafka: KafkaSettings) -> None:
        def consumer(isolation_level: str) -> AIOKafkaConsumer:
            return isolating_consumer(
                **client_options(kafka),
                isolation_level=isolation_level,
                auto_offset_reset="none",
                fetch_max_wait_ms=kafka.fetch_max_wait_ms,
                max_partition_fetch_bytes=max(kafka.max_record_bytes, 1 << 20),
            )

        self._consumer = consumer("read_committed")
        # Others, which fetch nothing: a question to the first one would wait behind its fetches.
        self._committed, self._uncommitted = consumer("read_committed"), consumer("read_uncommitted")

    async def start(self) -> None:
        """Connects."""
        for consumer in (self._consumer, self._committed, self._uncommitted):
            await consumer.start()

    async def stop(self) -> None:
        """Closes the connections."""
        await close_all(self._consumer.stop, self._committed.stop, self._uncommitted.stop)

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Reads these partitions alone, from these offsets on."""
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    async def begins(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each partition keeps."""
        begins: dict[TopicPartition, int] = await self._committed.beginning_offsets(list(tps))
        return begins

    async def ends(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The last stable offset of each partition now."""
        ends: dict[TopicPartition, int] = await self._committed.end_offsets(list(tps))
        return ends

    async def settled_ends(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The last stable offsets, once every transaction that is open at the call has ended."""
        written: dict[TopicPartition, int] = await self._uncommitted.end_offsets(list(tps))
        while True:
            stable = await self.ends(tps)
            if all(stable[tp] >= end for tp, end in written.items()):
                return stable
            await asyncio.sleep(_POLL_S)

    async def position(self, tp: TopicPartition) -> int:
        """The offset behind all that was read, markers of transactions included."""
        return int(await self._consumer.position(tp))

    async def read(self, tps: Collection[TopicPartition], most: int) -> Fetched:
        """What has arrived in these partitions."""
        fetched: Fetched = await self._consumer.getmany(*tps, timeout_ms=0, max_records=most) if tps else {}
        return fetched

    async def read_to(self, ends: Mapping[TopicPartition, int], most: int) -> tuple[Fetched, bool]:
        """Records up to these offsets, or about `most` of them; and whether the offsets are reached."""
        fetched: Fetched = {}
        size = 0
        while behind := [tp for tp, end in ends.items() if await self.position(tp) < end]:
            if size >= most:
                return fetched, False
            for tp, records in (await self._consumer.getmany(*behind, timeout_ms=_FETCH_MS, max_records=most)).items():
                fetched.setdefault(tp, []).extend(records)
                size += len(records)
        return fetched, True

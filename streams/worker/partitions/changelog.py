"""The user-state changelog: waits for open transactions of earlier writers, and restores partitions from it.

The changelog is the source of truth; RocksDB is a cache of it. Each partition holds reserved keys beside the rows: the
offset row with the next source offset and the transactional id that wrote it; the id row with a random id by which a
recreated changelog is noticed; and texts of events about items, which the trainer needs and rows do not hold.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import cast

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.structs import TopicPartition

from state.store import PartitionStore
from streams.errors import ChangelogError
from streams.kafka.client.client_options import client_options
from streams.kafka.topic_specs import CHANGELOG_DELETE_RETENTION_MS
from streams.settings.sections import KafkaSettings
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)

OFFSET_KEY = b"\0source-offset"
ID_KEY = b"\0changelog-id"
REVIEWS_KEY = b"\0reviews"

# A running predecessor finishes its transaction within this; after it, the transaction is ended by its writer's id.
_PATIENCE_S = 0.2
_POLL_S = 0.02
# At the end of the log only commit markers follow, for which no record comes: look at the position often.
_FETCH_TIMEOUT_MS = 50

CHANGELOG_CURE = "If that was meant, delete the worker's data folder; if not, restore the topic first."


class SourceOffset(msgspec.Struct, frozen=True):
    """The offset row: the next source offset of the partition, the transactional id that wrote it, and when.

    An offset counts in one topic: `topic_id` is that of the source topic, empty where brokers give none.
    """

    next_offset: int
    writer: str
    written_ms: int
    topic_id: str = ""

    def encode(self) -> bytes:
        """The row's bytes."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, row: bytes) -> SourceOffset:
        """The row from its bytes."""
        return msgspec.json.decode(row, type=cls)


class Changelog:
    """Reads the changelog partitions of newly assigned source partitions."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._committed = AIOKafkaConsumer(
            **client_options(kafka), isolation_level="read_committed", auto_offset_reset="none"
        )
        self._uncommitted = AIOKafkaConsumer(
            **client_options(kafka), isolation_level="read_uncommitted", auto_offset_reset="none"
        )
        self.restored = 0
        """Records that were restored since the start"""
        self.remaining = 0
        """Records that the restoring in work has still to read, markers of transactions included"""

    async def start(self) -> None:
        """Connects both consumers."""
        await self._committed.start()
        await self._uncommitted.start()

    async def stop(self) -> None:
        """Closes both consumers."""
        await self._committed.stop()
        await self._uncommitted.stop()

    async def wait_for_stable_offset(
        self, partitions: Collection[int], end_transactions: Callable[[set[str]], Awaitable[None]]
    ) -> None:
        """Waits until the last stable offset reaches the end that each partition has at the call.

        Then no transaction of an earlier writer is open any more. Call it after the assignment: an earlier owner is
        fenced by then and can open no new one. Open transactions are ended by `end_transactions`, which takes their
        writers' transactional ids. There is no timeout.
        """
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        ends = await self._uncommitted.end_offsets(tps)
        began = time.monotonic()
        while True:
            stable = await self._committed.end_offsets(tps)
            open_tps = [tp for tp in tps if stable[tp] < ends[tp]]
            if not open_tps:
                return
            if time.monotonic() - began > _PATIENCE_S:
                writers = await self._open_writers(open_tps, stable, ends)
                log.info("ending the open transactions of %s", ", ".join(sorted(writers)) or "writers not yet known")
                await end_transactions(writers)
            await asyncio.sleep(_POLL_S)

    async def _open_writers(
        self,
        tps: list[TopicPartition],
        stable: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> set[str]:
        """The transactional ids in the offset rows between the last stable offset and the end."""
        writers: set[str] = set()
        self._uncommitted.assign(tps)
        for tp in tps:
            self._uncommitted.seek(tp, stable[tp])
        behind = set(tps)
        while behind:
            fetched = await self._uncommitted.getmany(*behind, timeout_ms=_FETCH_TIMEOUT_MS)
            for records in fetched.values():
                writers |= {SourceOffset.decode(cast(bytes, r.value)).writer for r in records if r.key == OFFSET_KEY}
            behind = {tp for tp in behind if await self._uncommitted.position(tp) < ends[tp]}
        return writers

    async def restore(self, stores: Mapping[int, PartitionStore]) -> None:
        """Applies the committed records that each store lacks: rows, offset row, id and position.

        Raises ChangelogError where a store was not read from this changelog, or from a part of it that is lost.
        """
        tps = {TopicPartition(self._topic, partition): store for partition, store in stores.items()}
        begins = await self._committed.beginning_offsets(list(tps))
        ends = await self._committed.end_offsets(list(tps))
        # Seek at once: a consumer without a position would begin to fetch on its own.
        self._committed.assign(list(tps))
        for tp, begin in begins.items():
            self._committed.seek(tp, begin)
        await self._check(tps, begins, ends)
        for tp, store in tps.items():
            self._committed.seek(tp, begins[tp] if store.position is None else store.position)
        behind, restored, began = set(tps), 0, time.monotonic()
        try:
            while behind:
                fetched = await self._fetch(behind)
                for tp, records in fetched.items():
                    await in_thread(_apply, tps[tp], records)
                    restored += len(records)
                    self.restored += len(records)
                positions = {tp: await self._committed.position(tp) for tp in behind}
                behind = {tp for tp, position in positions.items() if position < ends[tp]}
                self.remaining = sum(ends[tp] - positions[tp] for tp in behind)
        finally:
            self.remaining = 0
        if restored:
            log.info("restored %d changelog records in %.1f s", restored, time.monotonic() - began)

    async def _fetch(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """The committed records that come next. Raises ChangelogError where one of them cannot be decoded."""
        try:
            return await self._committed.getmany(*tps, timeout_ms=_FETCH_TIMEOUT_MS)
        except (CorruptRecordException, UnsupportedCodecError) as error:
            raise ChangelogError(
                f"{self._topic}: records cannot be decoded ({error}): restore the topic, from another replica say; "
                "where there is none, delete the topic and the workers' data folders: user state is built anew from "
                "the events that are kept"
            ) from error

    async def _check(
        self,
        stores: Mapping[TopicPartition, PartitionStore],
        begins: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> None:
        """Raises ChangelogError for a store not read from this changelog; the consumer is at the beginnings."""
        for tp, store in stores.items():
            if store.position is not None and not begins[tp] <= store.position <= ends[tp]:
                raise ChangelogError(
                    f"{tp.topic} partition {tp.partition} holds offsets {begins[tp]} to {ends[tp]}, but the local rows "
                    f"were read up to {store.position}: it was truncated or recreated, and user state is lost. "
                    f"{CHANGELOG_CURE}"
                )
        # The id row was written once, in the first transaction, and compaction leaves it where it is.
        unchecked = {tp for tp, store in stores.items() if store.changelog_id is not None}
        while unchecked:
            fetched = await self._fetch(unchecked)
            for tp in list(unchecked):
                records = fetched.get(tp, [])
                if not records and await self._committed.position(tp) < ends[tp]:
                    continue
                if stores[tp].changelog_id not in [r.value for r in records if r.key == ID_KEY]:
                    raise ChangelogError(
                        f"{tp.topic} partition {tp.partition} is not the changelog that the local rows were read from: "
                        f"it was truncated or recreated. {CHANGELOG_CURE}"
                    )
                unchecked.discard(tp)


def is_outdated(store: PartitionStore) -> bool:
    """Whether the store is so old that the changelog may lack tombstones that the store never read."""
    if store.offset_row is None:
        return False
    age_ms = time.time() * 1000 - SourceOffset.decode(store.offset_row).written_ms
    return age_ms > CHANGELOG_DELETE_RETENTION_MS


def _apply(store: PartitionStore, records: list[ConsumerRecord[bytes, bytes]]) -> None:
    keys: list[bytes] = []
    values: list[bytes | None] = []
    offset_row = changelog_id = None
    for record in records:
        if record.key == OFFSET_KEY:
            offset_row = record.value
        elif record.key == ID_KEY:
            changelog_id = record.value
        elif record.key != REVIEWS_KEY:
            keys.append(cast(bytes, record.key))
            values.append(record.value)
    store.put_many(keys, values, records[-1].offset + 1, offset_row=offset_row, changelog_id=changelog_id)

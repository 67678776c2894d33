"""Offset gaps in the source topic: whether records between two fetches are missing in the log or were not delivered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.errors import SourceTopicError
from streams.kafka.client.client_options import client_options
from streams.kafka.undecodable import isolating_consumer
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)

_ANSWER_S = 10.0
_MOST_WAITS = 6  # in which the broker answers other questions: it is there, and does not deliver

# At the end of the log only markers follow, for which no record comes: look at the position often.
_FETCH_TIMEOUT_MS = 50
_MARKER_FETCHES = 20

RESET_CURE = (
    "If the topic was meant to be replaced, stop the workers and run `interest-stream reset --to earliest` (user state "
    "begins anew; with --keep-rows it stays); if not, restore the topic first."
)


class LogRange(NamedTuple):
    """Offsets that a partition holds: `begin` ≤ offset < `end`."""

    begin: int
    end: int


class OffsetGaps:
    """Asks the broker, by a read_committed consumer outside the group, which offsets hold a committed record.

    Offsets without one are commit markers, and aborted or expired records.
    """

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self.expired = 0
        """Offsets whose records expired before they were read"""
        self._taken = 0
        self._topic = topic
        self._positioned = asyncio.Lock()  # held while the consumer stands where one question needs it
        self._consumer = isolating_consumer(
            **client_options(kafka),
            isolation_level="read_committed",
            auto_offset_reset="none",
            fetch_max_wait_ms=_FETCH_TIMEOUT_MS,  # the next question waits for the fetch of the last one
        )

    async def start(self) -> None:
        """Connects the consumer."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Closes the consumer."""
        await self._consumer.stop()

    async def log_ranges(self, partitions: Collection[int]) -> dict[int, LogRange]:
        """The offsets that these partitions hold now, up to their last stable offset."""
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        if not tps:
            return {}
        begins, ends = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        return {tp.partition: LogRange(begins[tp], ends[tp]) for tp in tps}

    def take_expired(self) -> int:
        """Offsets whose records expired before they were read, since the last call."""
        expired = self.expired - self._taken
        self._taken = self.expired
        return expired

    async def ends_of_markers(self, begins: Mapping[int, int]) -> dict[int, int]:
        """Of the partitions in which only markers and aborted records lie from `begins` on, the offset after those."""
        ranges = await self.log_ranges(begins)
        ends = {partition: ranges[partition].end for partition in begins}
        return {
            partition: ends[partition]
            for partition, begin in begins.items()
            if ends[partition] > begin and await self._is_without_records(partition, begin, ends[partition])
        }

    async def _is_without_records(self, partition: int, begin: int, end: int) -> bool:
        tp = TopicPartition(self._topic, partition)
        for _ in range(_MARKER_FETCHES):
            async with self._at(tp, begin):  # for one fetch: a micro-batch may wait for an answer about a gap
                if (await self._consumer.getmany(tp, timeout_ms=_FETCH_TIMEOUT_MS)).get(tp):
                    return False
                begin = await self._consumer.position(tp)
            if begin >= end:
                return True
        return False

    @asynccontextmanager
    async def _at(self, tp: TopicPartition, offset: int) -> AsyncIterator[None]:
        """The consumer stands there, for the block alone."""
        async with self._positioned:
            self._consumer.assign([tp])
            self._consumer.seek(tp, offset)
            try:
                yield
            finally:
                self._consumer.unsubscribe()  # else it would fetch for ever

    async def is_offset_gap(self, partition: int, begin: int, end: int) -> bool:
        """Whether no committed record lies in `begin` ≤ offset < `end`; one must exist at or after `end`.

        Raises SourceTopicError where there is none any more, KafkaError where the broker does not answer.
        """
        tp = TopicPartition(self._topic, partition)
        for _ in range(_MOST_WAITS):
            try:
                return await self._first_offset(tp, begin) >= end
            except OffsetOutOfRangeError:
                ranges = await self.log_ranges([partition])
                if begin < ranges[partition].begin:
                    self.report_expired(partition, begin, ranges[partition].begin)
                    begin = ranges[partition].begin
                    if begin >= end:
                        return True
            except TimeoutError:
                ranges = await self.log_ranges([partition])
            if ranges[partition].end < end:
                raise SourceTopicError(
                    f"{self._topic} partition {partition} ends at offset {ranges[partition].end}, but records up to "
                    f"{end} have been read from it: it was recreated or rolled back. {RESET_CURE}"
                )
        raise SourceTopicError(
            f"the broker does not deliver {self._topic} partition {partition} from offset {begin} on, though it holds "
            "records there: look at the log of the partition's leader, then start the worker again"
        )

    async def _first_offset(self, tp: TopicPartition, begin: int) -> int:
        """Of the first committed record from `begin` on. Raises TimeoutError where none comes."""
        async with self._at(tp, begin):
            return int((await asyncio.wait_for(self._consumer.getone(tp), _ANSWER_S)).offset)

    def report_expired(self, partition: int, begin: int, end: int) -> None:
        """Logs that the records at `begin` ≤ offset < `end` expired before they were read, and counts them."""
        self.expired += end - begin
        log.warning(
            "%s partition %d: %d records (offsets %d to %d) expired before they were read, and are missing in user "
            "state; keep them for longer (retention.ms, retention.bytes of the topic) or run more workers",
            self._topic,
            partition,
            end - begin,
            begin,
            end - 1,
        )

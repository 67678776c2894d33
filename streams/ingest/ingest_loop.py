"""The loop over batches of source records: fetch → convert → one transaction with the offsets.

A transaction holds the events, the dead letters and the offsets after their records, so that each record becomes events
once, whatever fails when. After a failure the partitions begin again at what the group has committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.errors import TransactionFailed
from streams.ingest.converter import Converted, EventConverter, IngestCounts
from streams.ingest.source_positions import SourcePositions
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.group_consumer import Fetched, GroupConsumer
from streams.kafka.transaction import TransactionWriter
from streams.schema.decoding_notes import FirstNotes
from streams.schema.parsing.wire_format import Transcoder
from streams.settings.sections import WorkerSettings
from streams.worker.process.threads import in_thread

T = TypeVar("T")

# A process that wakes up after its group has moved on fails until its consumer has noticed: some heartbeats.
_MAX_FAILURES: Final = 12
_MAX_PAUSE_S: Final = 2.0
_RETRY_S: Final = 1.0
_FETCH_MS: Final = 200
_END_TRANSACTION_S: Final = 5.0
_ALL_READ_S: Final = 0.3  # between questions whether other processes have come as far


@dataclass(slots=True)
class Assignment:
    """What the group has given this process, until it takes it away."""

    metadata: ConsumerGroupMetadata
    partitions: set[TopicPartition]
    next_offset: dict[TopicPartition, int] = field(default_factory=dict)
    """Of partitions that are open: whose first offset is known, and committed by this process"""
    failed: bool = False  # a transaction was: what the group has committed is to be read again


class IngestLoop:
    """Reads until it is stopped, has read `limit` records, or the group has come to the offsets `ends`."""

    def __init__(
        self,
        consumer: GroupConsumer,
        positions: SourcePositions,
        converter: EventConverter,
        writer: TransactionWriter,
        settings: WorkerSettings,
        transcoder: Transcoder | None,
        raise_permanent: Callable[[KafkaError], Awaitable[None]],
        notify: Callable[[str], None],
    ) -> None:
        self.counts = IngestCounts()
        self._consumer = consumer
        self._positions = positions
        self._converter = converter
        self._writer = writer
        self._settings = settings
        self._transcoder = transcoder
        self._raise_permanent = raise_permanent
        self._notify = notify
        self._first_notes = FirstNotes(notify)
        self._assignment: Assignment | None = None
        self._writing = asyncio.Lock()  # a rebalance waits for the transaction in work
        self._failures = 0

    def on_assigned(self, partitions: set[TopicPartition], metadata: ConsumerGroupMetadata) -> None:
        """The group has given these partitions."""
        self._assignment = Assignment(metadata, partitions)

    async def on_revoked(self) -> None:
        """It takes them away: returns once the transaction in work, whose generation is still valid, has ended."""
        async with self._writing:
            self._assignment = None

    def lag(self) -> int:
        """Records, and markers, that lie before the ends of the open partitions, as far as fetches have shown them."""
        offsets = {} if self._assignment is None else self._assignment.next_offset
        return sum(max(0, (self._consumer.stable_end(tp) or 0) - offset) for tp, offset in offsets.items())

    async def run(
        self, stop: asyncio.Event, limit: int | None = None, ends: Mapping[TopicPartition, int] | None = None
    ) -> None:
        """Returns at the end, between transactions. Raises every error that trying again would not mend."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set() and (limit is None or self.counts.records < limit):
                began_s = time.monotonic()
                most = self._settings.step_max_events
                if limit is not None:
                    most = min(most, limit - self.counts.records)
                step = asyncio.ensure_future(self._step(most))
                await asyncio.wait([step, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not step.done():
                    await self._end(step)
                    return
                if (read := step.result()) < most:
                    if not read and ends is not None and await self._at_end(ends):
                        return
                    left_s = began_s + self._settings.step_interval_s - time.monotonic()
                    await asyncio.wait([stopping], timeout=max(0.0, left_s))
        finally:
            stopping.cancel()

    async def _end(self, step: asyncio.Future[int]) -> None:
        """Ends a step: at once where it waits for records, after its transaction where it writes one.

        A transaction that has failed is ended too: readers of `user-events` would wait for it.
        """
        async with self._writing:
            step.cancel()
        await asyncio.gather(step, return_exceptions=True)
        if self._writer.has_failed:
            try:
                async with asyncio.timeout(_END_TRANSACTION_S):
                    await self._writer.restart()
            except (KafkaError, TimeoutError) as error:
                self._notify(f"a transaction may be left open ({error!r}): Kafka ends it within a minute")

    async def _step(self, most: int) -> int:
        """One transaction; returns how many records it was of."""
        assignment = self._assignment
        if assignment is None:
            try:
                self._consumer.check()
            except KafkaError as error:
                await self._pause(error)
            await asyncio.sleep(self._settings.step_interval_s)
            return 0
        try:
            if assignment.failed or not assignment.next_offset:
                return await self._open(assignment)
            fetched = await self._consumer.fetch(_FETCH_MS, most)
            if self._transcoder is not None:
                await self._transcoder.load([record for records in fetched.values() for record in records])
            async with self._writing:
                if self._assignment is not assignment:
                    return 0  # fetched by positions that are not ours any more
                await self._write(assignment, fetched)
            self._failures = 0
        except OffsetOutOfRangeError:
            assignment.failed = True  # records expired, or the topic was rolled back: opening tells which
        except TransactionFailed as error:
            assignment.failed = True
            await self._recover(error)
        except KafkaError as error:
            await self._pause(error)
        else:
            return sum(map(len, fetched.values()))
        return 0

    async def _open(self, assignment: Assignment) -> int:
        """Finds where the partitions begin, and commits that: so whoever takes them over finds our transactional id."""
        offsets = await self._positions.find(assignment.partitions, lambda: self._assignment is assignment)
        async with self._writing:
            if offsets is None or self._assignment is not assignment:
                return 0
            if offsets:
                await self._commit(assignment, None, offsets)
                self._consumer.begin(offsets)
            assignment.failed = False
        if not offsets:
            await asyncio.sleep(_RETRY_S)  # there are more processes than partitions
        return 0

    async def _write(self, assignment: Assignment, fetched: Fetched) -> None:
        if fetched:
            converted = await in_thread(self._converter.convert, fetched.values())
            await self._commit(assignment, converted, {tp: part[-1].offset + 1 for tp, part in fetched.items()})
            self.counts.add(converted.counts)
            self._first_notes.report_new(converted.counts.notes)
        elif offsets := {
            tp: position
            for tp, offset in assignment.next_offset.items()
            if (position := await self._consumer.position(tp)) > offset
        }:
            await self._commit(assignment, None, offsets)  # only markers of transactions lie there

    async def _commit(
        self, assignment: Assignment, converted: Converted | None, offsets: Mapping[TopicPartition, int]
    ) -> None:
        notes = {topic: self._positions.note(topic) for topic in {tp.topic for tp in offsets}}
        with_notes = {tp: (offset, notes[tp.topic]) for tp, offset in offsets.items()}
        await self._writer.write({} if converted is None else converted.records, with_notes, assignment.metadata)
        assignment.next_offset.update(offsets)

    async def _at_end(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether the group has committed these offsets, whoever of it; waits a moment where it has not."""
        assignment = self._assignment
        if assignment is None or assignment.failed or assignment.next_offset.keys() != assignment.partitions:
            return False
        if any(offset < ends.get(tp, 0) for tp, offset in assignment.next_offset.items()):
            return False
        try:
            if await self._positions.all_read(ends):
                return True
        except KafkaError as error:
            await self._pause(error)
        await asyncio.sleep(_ALL_READ_S)
        return False

    async def _recover(self, error: TransactionFailed) -> None:
        """Ends the failed transaction; what is committed is read again by the next step."""
        self._failures += 1
        if self._failures > _MAX_FAILURES:
            raise error
        if isinstance(error.__cause__, KafkaError):
            await self._raise_permanent(error.__cause__)
        self._notify(f"a transaction failed ({error}): going on after the last one that was committed")
        await asyncio.sleep(min(0.1 * 2**self._failures, _MAX_PAUSE_S))
        while True:
            try:
                return await self._writer.restart()
            except KafkaError as failure:
                await self._pause(failure)

    async def _pause(self, error: KafkaError) -> None:
        await self._raise_permanent(error)
        await asyncio.sleep(_RETRY_S)

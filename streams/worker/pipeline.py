"""One step: read → step → write.

`read` turns fetched records into a batch with its users' rows; `step` is pure computing, fit for a thread; `write`
makes everything visible in one transaction and only then brings RocksDB up to date. This order is the guarantee: for
readers of committed records each event counts exactly once, whatever dies when.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import uuid4

import numpy as np
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.inference.engine import StepResult
from models.items.vocabulary import ItemVocabulary
from state.rows import RowLayout
from streams import __version__
from streams.kafka.faust_transport import RecordBatch
from streams.kafka.transaction import Record, TransactionWriter
from streams.schema import prediction_encoder
from streams.schema.dead_letters import MAX_BYTES, dead_letter
from streams.settings.settings import Settings
from streams.worker.batch import MicroBatch, PartitionBatch, build_batch, count_events, decode_partition, item_ids
from streams.worker.changelog import ID_KEY, OFFSET_KEY, SourceOffset
from streams.worker.item_catalog import ItemCatalog
from streams.worker.item_index import ItemIndex
from streams.worker.offset_gaps import OffsetGaps
from streams.worker.partitions import AssignedPartitions, PartitionState
from streams.worker.quality_meter import QualityMeter


class Engine(Protocol):
    """What a step needs of a model."""

    def step(self, batch: EventBatch, memory: NDArray[np.void], per: Literal["user", "event"] = "user") -> StepResult:
        """The rows after the batch, and what the users want now."""
        ...


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What a step changes in one partition's rows; a row of None erases its user."""

    owner: PartitionState
    offset_row: bytes
    changelog_id: bytes | None  # the id row, where this step is the changelog's first
    keys: list[bytes]
    rows: list[bytes | None]

    def records(self) -> list[Record]:
        """The changelog records, offset row first: whoever finds them uncommitted learns from it whose they are."""
        head = [Record(OFFSET_KEY, self.offset_row)]
        if self.changelog_id is not None:
            head.append(Record(ID_KEY, self.changelog_id))
        return head + [Record(key, row) for key, row in zip(self.keys, self.rows, strict=True)]


@dataclass(frozen=True, slots=True)
class Output:
    """Everything that a step has to say."""

    records: dict[TopicPartition, list[Record]]
    changes: list[RowChanges]
    memory: NDArray[np.void]  # [U] for the learner
    step: StepResult


class Pipeline:
    """The worker's way from fetched records to visible predictions. One step at a time."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        layout: RowLayout,
        items: ItemVocabulary,
        owners: AssignedPartitions,
        writer: TransactionWriter,
        source: OffsetGaps,
        register: ItemIndex,
        catalog: ItemCatalog,
        quality: QualityMeter,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._layout = layout
        self._items = items
        self._owners = owners
        self._writer = writer
        self._source = source
        self._register = register
        self._catalog = catalog
        self._quality = quality
        self._counts: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    async def read(self, batches: Sequence[RecordBatch]) -> MicroBatch | None:
        """The work of one step; None if nothing in the batches is new."""
        by_partition: defaultdict[int, list[RecordBatch]] = defaultdict(list)
        expected: dict[int, int] = {}
        for batch in batches:
            admitted = await self._admit(batch, expected)
            if admitted is not None:
                by_partition[batch.partition].append(admitted)
        if not by_partition:
            return None
        with self._timed("decode"):
            most = self._settings.kafka.max_record_bytes
            parts = [decode_partition(self._owner(p), admitted, most) for p, admitted in sorted(by_partition.items())]
        with self._timed("items"):
            await self._catalog.refresh()
            await self._register.register(item_ids(parts))
        with self._timed("load"):
            return build_batch(self._settings.topics.user_events, parts, self._items, self._layout)

    async def _admit(self, batch: RecordBatch, expected: dict[int, int]) -> RecordBatch | None:
        """What of the batch comes next in its partition; None where that is nothing."""
        owner = self._owners.get(batch.partition)
        if owner is None:
            return None
        next_offset = expected.get(batch.partition, owner.next_offset)
        fresh = batch.since(next_offset)
        if fresh is None:
            return None
        if fresh.first_offset > next_offset and not await self._source.is_offset_gap(
            batch.partition, next_offset, fresh.first_offset
        ):
            await self._source.rewind(owner, next_offset)
            return None
        owner.rewound_s = None
        expected[batch.partition] = fresh.next_offset
        return fresh

    def step(self, work: MicroBatch) -> Output:
        """Everything that the step has to say. Pure computing: no I/O, no awaiting."""
        topics, now_ms = self._settings.topics, int(time.time() * 1000)
        records: defaultdict[TopicPartition, list[Record]] = defaultdict(list)
        with self._timed("model"):
            step = self._engine.step(work.batch, work.rows, self._settings.predictions.per)
        with self._timed("rows"):
            memory = count_events(work, step.rows)
            changes = self._changes(work, self._layout.pack(memory), now_ms)
            for change in changes:
                records[TopicPartition(self._settings.changelog_topic, change.owner.partition)] = change.records()
        for part in work.parts:
            self._say(part, records)
        with self._timed("encode"):
            values = prediction_encoder.encode(step.predictions, work.origins, self._items, now_ms)
            for event, value in zip(step.predictions.event.tolist(), values, strict=True):
                cause = work.records[event]
                records[TopicPartition(topics.interest_predictions, cause.partition)].append(Record(cause.key, value))
        if (quality := self._quality.record_if_due()) is not None:
            records[self._quality.topic_partition].append(quality)
        return Output(records, changes, memory, step)

    def _changes(self, work: MicroBatch, rows: list[bytes], now_ms: int) -> list[RowChanges]:
        changes = []
        for part in work.parts:
            offset_row = SourceOffset(part.next_offset, self._writer.transactional_id, now_ms).encode()
            changelog_id = None if part.owner.store.changelog_id is not None else uuid4().bytes
            changes.append(RowChanges(part.owner, offset_row, changelog_id, [], []))
        for user, part_number, row in zip(work.users, work.part.tolist(), rows, strict=True):
            changes[part_number].keys.append(user)
            changes[part_number].rows.append(row)
        for part, change in zip(work.parts, changes, strict=True):
            if part.erased:
                gone = {user.encode() for user in part.erased}.difference(change.keys)
                change.keys.extend(gone)
                change.rows.extend([None] * len(gone))
        return changes

    def _say(self, part: PartitionBatch, records: defaultdict[TopicPartition, list[Record]]) -> None:
        """Adds what is not about rows: predictions erased, dead letters, and what became of items."""
        topics, partition = self._settings.topics, part.owner.partition
        if part.erased:
            forgotten = records[TopicPartition(topics.interest_predictions, partition)]
            forgotten += [Record(user.encode(), None) for user in part.erased]
        if part.rejected:
            letters = records[TopicPartition(topics.user_events_dlq, partition)]
            most = min(MAX_BYTES, self._settings.kafka.max_record_bytes)
            letters += [Record(*dead_letter(record, error, __version__, most)) for record, error in part.rejected]
        for item in part.items:
            tp, record = self._catalog.record(item)
            records[tp].append(record)

    async def write(self, work: MicroBatch, output: Output) -> None:
        """The step is visible and durable, and the owners expect what follows it.

        Raises TransactionFailed; then nothing was done here, and only the changelog knows whether the step counts.
        """
        offsets = {
            TopicPartition(self._settings.topics.user_events, p.owner.partition): p.next_offset for p in work.parts
        }
        with self._timed("transaction"):
            ends = await self._writer.write(output.records, offsets, self._owners.group_metadata)
        with self._timed("store"):
            await asyncio.to_thread(self._store, output.changes, ends)
        for part in work.parts:
            part.owner.next_offset = part.next_offset
        if self._quality.topic_partition in output.records:
            self._quality.mark_written()
        self._quality.add(len(work.events), output.step.sample, output.step.predictions.model_version)
        self._counts.update(
            steps=1,
            events=len(work.events),
            predictions=len(output.step.predictions),
            rejected=sum(len(part.rejected) for part in work.parts),
        )

    def _store(self, changes: list[RowChanges], ends: dict[TopicPartition, int]) -> None:
        for change in changes:
            end = ends[TopicPartition(self._settings.changelog_topic, change.owner.partition)]
            change.owner.store.put_many(
                change.keys, change.rows, end, offset_row=change.offset_row, changelog_id=change.changelog_id
            )

    def take_counts(self) -> tuple[Counter[str], dict[str, float]]:
        """What was done since the last call, and the seconds of wall time in each stage."""
        taken = self._counts, self._seconds
        self._counts, self._seconds = Counter(), defaultdict(float)
        return taken

    def _owner(self, partition: int) -> PartitionState:
        owner = self._owners.get(partition)
        assert owner is not None
        return owner

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - began

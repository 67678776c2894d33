"""The pipeline of one micro-batch: read → step → write.

`read` turns fetched records into a batch with its users' rows; `step` is pure computing, fit for a thread; `write`
makes everything visible in one transaction and only then brings RocksDB up to date. This order is the guarantee: for
readers of committed records each event counts exactly once, whatever fails when.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal, Protocol

import numpy as np
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.data.user_row import user_row_fields
from models.inference.step_result import StepResult
from state.rows import RowLayout
from streams.kafka.faust_transport import RecordBatch
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.schema.decoder import SchemaRules
from streams.schema.decoding_notes import FirstNotes
from streams.schema.parsing.wire_format import Transcoder
from streams.settings.settings import Settings
from streams.worker.batch import MicroBatch, PartitionBatch, build_batch, count_events, decode_partition, item_ids
from streams.worker.items.item_topics import ItemTopics
from streams.worker.output import OutputEncoder, RowChanges, StepOutput
from streams.worker.partitioners import MixedPartitioners
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.partitions.source_reader import MarkerRange, SourceReader
from streams.worker.process.threads import in_thread
from streams.worker.process.watchdog import Watchdog
from streams.worker.rejections import Rejections
from streams.worker.step_metrics import StepMetrics
from streams.worker.unknown_types import UnknownTypes

log = logging.getLogger(__name__)

_WAITS_FOR_OTHERS = ("schemas", "items", "transaction")
"""Stages that take as long as the broker or the schema registry is away"""


class Engine(Protocol):
    """The model as the pipeline needs it."""

    def step(
        self,
        batch: EventBatch,
        rows: NDArray[np.void],
        per: Literal["user", "event"] = "user",
        lineage: NDArray[np.uint32] | None = None,
    ) -> StepResult:
        """The rows after the batch, and predictions per user or per event.

        `lineage` [U] is that of the weights that computed each row's state, 0 where it is not known.
        """
        ...


class Pipeline:
    """Turns fetched records into committed rows and predictions, one micro-batch at a time."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        source: SourceReader,
        items: ItemTopics,
        encoder: OutputEncoder,
        writer: TransactionWriter,
        watchdog: Watchdog,
        transcoder: Transcoder | None = None,
        metrics: StepMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._source = source
        self._items = items
        self._encoder = encoder
        self._writer = writer
        self._watchdog = watchdog
        self._layout = RowLayout(user_row_fields(settings.model))
        self._rules = SchemaRules.of(settings.events, transcoder)
        self._unknown_types = UnknownTypes()
        self._first_notes = FirstNotes(log.warning)
        self.metrics = metrics or StepMetrics()
        """Of committed steps"""
        self._rejections = Rejections()
        self._mixed_partitioners = MixedPartitioners(settings.topics.user_events, settings.topics.partitions)

    async def read(self, batches: Sequence[RecordBatch]) -> MicroBatch | None:
        """The micro-batch of all records that come next in their partition; None if there are none."""
        admitted = await self._source.admit(batches)
        if not admitted:
            return None
        if (transcoder := self._rules.transcoder) is not None:
            with self._timed("schemas"):
                batches = [batch for _, partition_batches in admitted for batch in partition_batches]
                await transcoder.load([record for batch in batches for record in batch.records])
        with self._timed("decode"):
            max_bytes = self._settings.kafka.max_record_bytes
            parts = [
                decode_partition(state, partition_batches, max_bytes, self._rules)
                for state, partition_batches in admitted
            ]
        with self._timed("items"):
            await self._items.update(item_ids(parts))
        with self._timed("load"):
            topic, items = self._settings.topics.user_events, self._items.vocabulary
            batch = await in_thread(build_batch, topic, parts, items, self._layout, self._settings.model)
        self._unknown_types.log_once(batch)
        for part in parts:
            self._first_notes.report_new(part.notes)
        last_event = batch.last_event  # [E]
        is_new = batch.rows["count"][: len(last_event)] == 0
        for index, part in enumerate(batch.parts):
            new_events = last_event[is_new & (batch.part_index[: len(last_event)] == index)].tolist()
            # Not the user ids: a producer may have hashed them as numbers or in quotes.
            self._mixed_partitioners.look(
                part.state.partition, [batch.records[event].key or b"" for event in new_events]
            )
        return batch

    def step(self, batch: MicroBatch) -> StepOutput:
        """Everything that the micro-batch writes. Pure computing: no I/O, no awaiting."""
        now_ms = int(time.time() * 1000)
        with self._timed("model"):
            result = self._engine.step(
                batch.event_batch, batch.rows, self._settings.predictions.per, batch.rows["lineage"]
            )
        with self._timed("rows"):
            rows = count_events(batch, result.rows)
            rows["lineage"] = result.predictions.model_version.lineage
            stored = rows
            if (register := self._items.vocabulary.register).has_evicted:
                stored = rows.copy()
                stored["ring_item"] = register.indices(rows["ring_item"])
            row_changes = self._encoder.encode_rows(batch, self._layout.pack(stored), now_ms, result.reviews)
        with self._timed("encode"):
            records = self._encoder.encode_records(batch, result, row_changes, now_ms)
        return StepOutput(records, row_changes, result)

    async def write(self, batch: MicroBatch, output: StepOutput) -> dict[int, int]:
        """Commits the micro-batch, then stores its rows in RocksDB, then advances the partitions' next offsets.

        Returns the changelog offset after the rows of each partition. Raises TransactionFailed; then nothing was done
        here, and only the changelog knows whether the transaction committed: call `restart_producer` and open the
        partitions again.
        """
        ends = await self._commit(batch.parts, output.records, output.row_changes)
        self._encoder.count_committed(batch, output)
        for part in batch.parts:
            self._rejections.add(len(part.events), part.rejected)
        self.metrics.add_step(batch, output.result)
        return ends

    async def find_markers(self) -> list[MarkerRange]:
        """The commit markers and aborted records at the end of the log. Raises KafkaError without a broker."""
        return await self._source.find_markers()

    async def skip_markers(self, at_end: Sequence[MarkerRange]) -> None:
        """Moves next offsets past the markers that are still at the end of the log: then the lag is 0.

        To be called between micro-batches. Raises as `write` does.
        """
        parts = [PartitionBatch(markers.state, markers.end) for markers in at_end if self._source.is_current(markers)]
        if not parts:
            return
        await self._commit_without_events(parts, {})

    async def write_beside(self, state: PartitionState, records: Mapping[TopicPartition, list[ProducerRecord]]) -> None:
        """Commits records that follow from the partition's rows and from no event: rows and next offset stay.

        To be called between micro-batches. Raises as `write` does.
        """
        await self._commit_without_events([PartitionBatch(state, state.next_offset)], records)

    async def _commit_without_events(
        self, parts: list[PartitionBatch], beside: Mapping[TopicPartition, list[ProducerRecord]]
    ) -> None:
        batch = build_batch(self._settings.topics.user_events, parts, self._items.vocabulary, self._layout)
        row_changes = self._encoder.encode_rows(batch, [], int(time.time() * 1000))
        # The offset rows first: by them a successor finds the transaction, and the broker fences a zombie's.
        records = {
            self._encoder.changelog_partition(change.state.partition): change.records() for change in row_changes
        }
        await self._commit(parts, records | dict(beside), row_changes)

    async def _commit(
        self,
        parts: Sequence[PartitionBatch],
        records: Mapping[TopicPartition, list[ProducerRecord]],
        row_changes: list[RowChanges],
    ) -> dict[int, int]:
        topic = self._settings.topics.user_events
        offsets = {TopicPartition(topic, part.state.partition): part.next_offset for part in parts}
        with self._timed("transaction"):
            ends = await self._writer.write(records, offsets, self._source.partitions.group_metadata)
        with self._timed("store"):
            await in_thread(self._store, row_changes, ends)
        for part in parts:
            part.state.next_offset = part.next_offset
        partitions = [part.state.partition for part in parts]
        return {partition: ends[self._encoder.changelog_partition(partition)] for partition in partitions}

    def _store(self, row_changes: list[RowChanges], ends: dict[TopicPartition, int]) -> None:
        for change in row_changes:
            position = ends[self._encoder.changelog_partition(change.state.partition)]
            change.state.store.put_many(
                change.users,
                change.values,
                position,
                offset_row=change.offset_row,
                changelog_id=change.changelog_id,
            )

    async def restart_producer(self) -> None:
        """Starts a new producer, which ends the failed transaction. Raises KafkaError without a broker."""
        await self._writer.restart()

    def log_rejections(self) -> None:
        """Logs where many records were refused since the last call."""
        self._rejections.log()

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            with nullcontext() if stage in _WAITS_FOR_OTHERS else self._watchdog.watch(stage):
                yield
        finally:
            self.metrics.add_stage(stage, time.perf_counter() - began)

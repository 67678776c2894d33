"""Output of a micro-batch: every record that its transaction writes, and the row changes that RocksDB gets after it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from aiokafka.structs import TopicPartition

from models.inference.step_result import StepResult
from models.items.reviews import Reviews
from streams import __version__
from streams.kafka.transaction import ProducerRecord
from streams.schema import prediction_encoder
from streams.schema.dead_letters.dead_letter import MAX_BYTES, dead_letter
from streams.settings.settings import Settings
from streams.worker.batch import FORWARDED_HEADER, MicroBatch, PartitionBatch
from streams.worker.items.item_topics import ItemTopics
from streams.worker.partitions.changelog import ID_KEY, OFFSET_KEY, REVIEWS_KEY, SourceOffset
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.quality_meter import QualityMeter

Records = defaultdict[TopicPartition, list[ProducerRecord]]


@dataclass(frozen=True, slots=True)
class RowChanges:
    """The changes of one partition's rows; a value of None deletes its user."""

    state: PartitionState
    offset_row: bytes
    changelog_id: bytes | None  # the id row, where this transaction is the changelog partition's first
    users: list[bytes]
    values: list[bytes | None]
    reviews: list[bytes]  # texts about items, for the trainer (models/items/reviews.py)

    def records(self) -> list[ProducerRecord]:
        """The changelog records. The offset row comes first: it names the writer to whoever finds them uncommitted."""
        head = [ProducerRecord(OFFSET_KEY, self.offset_row)]
        if self.changelog_id is not None:
            head.append(ProducerRecord(ID_KEY, self.changelog_id))
        head += [ProducerRecord(REVIEWS_KEY, encoded) for encoded in self.reviews]
        return head + [ProducerRecord(user, value) for user, value in zip(self.users, self.values, strict=True)]


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The records of all topics, the row changes among them, and the engine's result."""

    records: Records
    row_changes: list[RowChanges]
    result: StepResult


class OutputEncoder:
    """Encodes what a micro-batch writes: rows, predictions, tombstones, dead letters, item descriptions, quality."""

    def __init__(
        self,
        settings: Settings,
        items: ItemTopics,
        quality: QualityMeter,
        transactional_id: str,
        dump_prediction: prediction_encoder.Dump,
    ) -> None:
        self._topics = settings.topics
        self._has_churn = settings.churn.enabled
        self._changelog_topic = settings.changelog_topic
        self._max_record_bytes = settings.kafka.max_record_bytes
        self._max_letter_bytes = min(MAX_BYTES, settings.kafka.max_record_bytes)
        self._items = items
        self._quality = quality
        self._transactional_id = transactional_id
        self._dump_prediction = dump_prediction

    def changelog_partition(self, partition: int) -> TopicPartition:
        """The changelog partition of a source partition: they have the same number."""
        return TopicPartition(self._changelog_topic, partition)

    def encode_rows(
        self, batch: MicroBatch, packed_rows: list[bytes], now_ms: int, reviews: Reviews | None = None
    ) -> list[RowChanges]:
        """The row changes by partition, in the order of `batch.parts`; `packed_rows` [U] are those after the batch."""
        changes, register = [], self._items.vocabulary.register
        for index, part in enumerate(batch.parts):
            topic_id = part.state.topic_id
            offset_row = SourceOffset(part.next_offset, self._transactional_id, now_ms, topic_id).encode()
            changelog_id = None if part.state.store.changelog_id is not None else uuid4().bytes
            texts = []
            if reviews is not None:
                texts = reviews.encode(batch.part_index == index, register, self._max_record_bytes)
            changes.append(RowChanges(part.state, offset_row, changelog_id, [], [], texts))
        for user, part_index, row in zip(batch.users, batch.part_index.tolist(), packed_rows, strict=True):
            changes[part_index].users.append(user)
            changes[part_index].values.append(row)
        for part, change in zip(batch.parts, changes, strict=True):
            if part.deleted:
                gone = {user.encode() for user in part.deleted}.difference(change.users)
                change.users.extend(gone)
                change.values.extend([None] * len(gone))
        return changes

    def encode_records(
        self, batch: MicroBatch, result: StepResult, row_changes: list[RowChanges], now_ms: int
    ) -> Records:
        """The records of all topics. The changelog's come first."""
        records: Records = defaultdict(list)
        for change in row_changes:
            records[self.changelog_partition(change.state.partition)] = change.records()
        for part in batch.parts:
            self._add_partition(part, records)
        values = prediction_encoder.encode(
            result.predictions, batch.origins, self._items.vocabulary, now_ms, self._dump_prediction
        )
        for event, value in zip(result.predictions.event.tolist(), values, strict=True):
            tp = TopicPartition(self._topics.interest_predictions, batch.records[event].partition)
            # Not the source's key, in which Kafka Connect may have put the id in quotes.
            records[tp].append(ProducerRecord(batch.events[event].user_id.encode(), value))
        if (quality := self._quality.record_if_due()) is not None:
            records[self._quality.topic_partition].append(quality)
        return records

    def _add_partition(self, part: PartitionBatch, records: Records) -> None:
        """Adds tombstones of deleted users' predictions, dead letters and item descriptions."""
        partition = part.state.partition
        if part.deleted:
            predictions = records[TopicPartition(self._topics.interest_predictions, partition)]
            predictions += [ProducerRecord(user.encode(), None) for user in part.deleted]
            if self._has_churn:
                warnings = records[TopicPartition(self._topics.interest_churn, partition)]
                warnings += [ProducerRecord(user.encode(), None) for user in part.deleted]
        for erasure in part.erasures:
            # A producer with another partitioner may have written the user's events elsewhere.
            value, header = msgspec.json.encode(erasure), [(FORWARDED_HEADER, str(partition).encode())]
            for other in range(self._topics.partitions):
                if other != partition:
                    tp = TopicPartition(self._topics.user_events, other)
                    records[tp].append(ProducerRecord(erasure.user_id.encode(), value, header))
        if part.rejected:
            letters = records[TopicPartition(self._topics.user_events_dlq, partition)]
            letters += [
                ProducerRecord(*dead_letter(record, error, __version__, self._max_letter_bytes))
                for record, error in part.rejected
            ]
        for item in part.items:
            tp, record = self._items.catalog_record(item)
            records[tp].append(record)

    def count_committed(self, batch: MicroBatch, output: StepOutput) -> None:
        """Counts a committed micro-batch in the running quality; call it after the commit only."""
        if self._quality.topic_partition in output.records:
            self._quality.mark_written()
        result = output.result
        self._quality.add(len(batch.events), result.sample, result.predictions.model_version)

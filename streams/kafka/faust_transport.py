"""Faust transport that delivers whole fetches: one message per (partition, fetch) instead of one per record.

Knows Faust's consumer and its private hooks (each pinned by tests/contracts); knows nothing of events, users or state.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiokafka
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust import Schema
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, AppT, ConsumerMessage, EventT, Message

from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.group_consumer import group_consumer
from streams.settings.sections import KafkaSettings

# With the number of fetches that may wait, this bounds the records in memory.
_MAX_POLL_RECORDS = 2000


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records of one partition, in offset order; never empty."""

    partition: int
    records: list[ConsumerRecord[bytes, bytes]]

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return int(self.records[0].offset)

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return int(self.records[-1].offset) + 1

    def since(self, offset: int) -> RecordBatch | None:
        """The records from `offset` on; None if there are none."""
        if self.first_offset >= offset:
            return self
        records = [record for record in self.records if record.offset >= offset]
        return RecordBatch(self.partition, records) if records else None


class BatchSchema(Schema[None, RecordBatch]):
    """Hands a message's RecordBatch on as it is: decoding is the pipeline's, record by record."""

    def compile(self, app: AppT, **_: Any) -> Callable[..., Awaitable[EventT[RecordBatch]]]:
        """A decoder that never fails."""

        async def decode(message: Message, *, propagate: bool = False) -> EventT[RecordBatch]:
            return app.create_event(None, message.value, message.headers, message)

        return decode


# Faust's services log under the module that defines them: these two subclasses log as the library does.
_library_log = logging.getLogger("faust.transport")


class _ConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread, with consumer options that Faust hard-codes: isolation level, assignor, fetch sizes."""

    logger = _library_log

    def _create_worker_consumer(self, transport: Transport) -> aiokafka.AIOKafkaConsumer:
        kafka = cast(BatchTransport, transport).kafka
        return group_consumer(kafka, kafka.group_id, auto_offset_reset="earliest", max_poll_records=_MAX_POLL_RECORDS)


class _NoReadOffsets(dict[TP, int | None]):
    """Faust's record of what it has read, kept empty.

    Faust writes the offset of a message after delivering it: after a seek during the delivery it would silently drop
    every record up to there. Only PartitionState knows which record comes next.
    """

    def __missing__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        return None

    def update(self, *_: Any, **__: Any) -> None:
        """Nothing is recorded."""


class BatchConsumer(Consumer):
    """Faust's consumer with one message per partition and fetch."""

    logger = _library_log

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._read_offset = _NoReadOffsets()

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[RecordBatch]]:
        fetched = await super()._getmany(active_partitions, timeout)
        return {tp: [RecordBatch(tp.partition, records)] for tp, records in fetched.items() if records}

    def _to_message(self, tp: TP, record: RecordBatch) -> ConsumerMessage:
        first = record.records[0]
        # A message's value is bytes to Faust's types alone: it reaches BatchSchema untouched.
        value = cast(bytes, record)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            first.offset,
            first.timestamp / 1000,
            first.timestamp_type,
            None,
            None,
            value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full stream makes the fetch loop wait, which bounds all partitions' records alike."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would complain that nothing is acknowledged, and nothing ever is."""

    def group_metadata(self) -> ConsumerGroupMetadata:
        """Generation and member id now; to be called in the assigned handler, while the coordinator waits."""
        coordinator = self._coordinator()
        return ConsumerGroupMetadata(
            cast(BatchTransport, self.transport).kafka.group_id, coordinator.generation, coordinator.member_id
        )

    async def is_member(self, group_metadata: ConsumerGroupMetadata) -> bool:
        """Whether the group, asked by a heartbeat, still has this member. Raises KafkaError without an answer."""
        coordinator = self._coordinator()
        answered = await self._thread.call_thread(coordinator._do_heartbeat)
        # A refusal resets both; without an answer they stay, and the membership may be valid.
        if (coordinator.generation, coordinator.member_id) != (group_metadata.generation, group_metadata.member_id):
            return False
        if not answered:
            raise KafkaError("the group's coordinator did not answer a heartbeat")
        return True

    def stable_offset(self, topic: str, partition: int) -> int | None:
        """The last stable offset as the newest fetch has shown it, None before the first. Any thread may call it."""
        try:
            offset = self._thread._ensure_consumer().last_stable_offset(TopicPartition(topic, partition))
        except (AssertionError, AttributeError, ConsumerNotStarted):
            return None  # not assigned, or not any more: a rebalance may go on in the consumer's thread
        return offset if offset is not None and offset >= 0 else None

    def _coordinator(self) -> Any:
        return self._thread._ensure_consumer()._coordinator

    async def rewind(self, topic: str, partition: int, offset: int) -> None:
        """The next fetch of the partition begins at `offset`."""

        async def seek() -> None:
            self._thread._ensure_consumer().seek(TopicPartition(topic, partition), offset)

        # In the consumer's own thread: aiokafka's state is not to be touched from another.
        await self._thread.call_thread(seek)


class BatchTransport(Transport):
    """For `app.transport`: delivers whole fetches, read with these settings."""

    Consumer = BatchConsumer

    def __init__(self, app: AppT, kafka: KafkaSettings) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.kafka = kafka

"""Offset gaps in the source topic: whether records between two fetches are missing in the log or were not delivered."""

from __future__ import annotations

from aiokafka.structs import TopicPartition

from streams.kafka.client_options import client_options
from streams.kafka.undecodable import isolating_consumer
from streams.settings.sections import KafkaSettings


class OffsetGaps:
    """Asks the broker, by a read_committed consumer outside the group, which offsets hold a committed record.

    Offsets without one are commit markers, and aborted or expired records.
    """

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._consumer = isolating_consumer(
            **client_options(kafka), isolation_level="read_committed", auto_offset_reset="earliest"
        )

    async def start(self) -> None:
        """Connects the consumer."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Closes the consumer."""
        await self._consumer.stop()

    async def is_offset_gap(self, partition: int, begin: int, end: int) -> bool:
        """Whether no committed record lies in `begin` ≤ offset < `end`; one must exist at or after `end`."""
        tp = TopicPartition(self._topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, begin)
        record = await self._consumer.getone(tp)
        return int(record.offset) >= end

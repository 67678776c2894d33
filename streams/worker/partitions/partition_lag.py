"""Lag of the assigned partitions: how many records lie between what is applied and what fetches have shown."""

from __future__ import annotations

from streams.kafka.source_consumer import SourceConsumer
from streams.worker.partitions.assigned_partitions import AssignedPartitions


class PartitionLag:
    """Asks no broker. Any thread may call it."""

    def __init__(self, partitions: AssignedPartitions, consumer: SourceConsumer) -> None:
        self._partitions = partitions
        self._consumer = consumer

    def records(self) -> dict[int, int]:
        """By partition; markers of transactions count. Partitions that nothing was fetched from yet are left out."""
        lags = {}
        for state in self._partitions.states():
            if (end := self._consumer.stable_offset(state.partition)) is not None:
                lags[state.partition] = max(0, end - state.next_offset)
        return lags

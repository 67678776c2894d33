"""Admission of fetched records: exactly those that come next in their partition, each once, without loss.

What Faust delivers is not trusted: batches may be repeated, overlap, or be missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from streams.kafka.faust_transport import RecordBatch
from streams.kafka.source_consumer import SourceConsumer
from streams.log_levels import TRANSIENT
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.partitions.offset_gaps import OffsetGaps
from streams.worker.partitions.partition_state import PartitionState

log = logging.getLogger(__name__)

# Batches fetched before a rewind arrive within this time; a gap that is still there later is a new one.
_REWIND_S = 5.0


class MarkerRange(NamedTuple):
    """Markers and aborted records that lie at the end of a partition: `begin` ≤ offset < `end`."""

    state: PartitionState
    begin: int
    end: int


class SourceReader:
    """Admits the next records of each assigned partition; where records are missing, they are fetched again."""

    def __init__(self, partitions: AssignedPartitions, offset_gaps: OffsetGaps, consumer: SourceConsumer) -> None:
        self.partitions = partitions
        self._offset_gaps = offset_gaps
        self._consumer = consumer

    async def admit(self, batches: Sequence[RecordBatch]) -> list[tuple[PartitionState, list[RecordBatch]]]:
        """The batches' records that come next, by partition in ascending order; partitions without any are left out."""
        admitted: dict[int, list[RecordBatch]] = {}
        expected: dict[int, int] = {}
        for batch in batches:
            state = self.partitions.get(batch.partition)
            if state is None:
                continue
            next_batch = await self._admit(state, batch, expected.get(batch.partition, state.next_offset))
            if next_batch is not None:
                admitted.setdefault(batch.partition, []).append(next_batch)
                expected[batch.partition] = next_batch.next_offset
        states = {partition: self.partitions.get(partition) for partition in sorted(admitted)}
        return [(state, admitted[partition]) for partition, state in states.items() if state is not None]

    async def find_markers(self) -> list[MarkerRange]:
        """The assigned partitions in which only markers and aborted records follow what is applied."""
        states = self.partitions.states()
        begins = {state.partition: state.next_offset for state in states}
        ends = await self._offset_gaps.ends_of_markers(begins)
        return [
            MarkerRange(state, begins[state.partition], ends[state.partition])
            for state in states
            if state.partition in ends
        ]

    def is_current(self, markers: MarkerRange) -> bool:
        """Whether the partition is still assigned, and nothing has been applied since the markers were found."""
        return (
            self.partitions.get(markers.state.partition) is markers.state and markers.state.next_offset == markers.begin
        )

    async def _admit(self, state: PartitionState, batch: RecordBatch, next_offset: int) -> RecordBatch | None:
        """The batch's records from `next_offset` on; None where there are none, or records before them are missing."""
        fresh = batch.since(next_offset)
        if fresh is None:
            return None
        first = fresh.first_offset
        if first > next_offset and not await self._offset_gaps.is_offset_gap(state.partition, next_offset, first):
            await self._rewind(state, next_offset)
            return None
        state.rewind_started_s = None
        return fresh

    async def _rewind(self, state: PartitionState, offset: int) -> None:
        """Fetches the partition again from `offset` on, at most once until the records of the rewind arrive."""
        now = time.monotonic()
        if state.rewind_started_s is not None and now - state.rewind_started_s < _REWIND_S:
            return
        log.warning(
            "partition %d: records from offset %d on were not delivered: rewinding",
            state.partition,
            offset,
            extra=TRANSIENT,
        )
        state.rewind_started_s = now
        await self._consumer.rewind(state.partition, offset)

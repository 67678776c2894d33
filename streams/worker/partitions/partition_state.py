"""State of one assigned partition: its rows and the next source offset."""

from __future__ import annotations

from dataclasses import dataclass

from state.store import PartitionStore


@dataclass(slots=True)
class PartitionState:
    """An open partition: the store of its rows, and the offset of the only source record that may be applied next."""

    partition: int
    store: PartitionStore
    next_offset: int
    topic_id: str = ""  # of the source topic, whose offsets these are
    rewind_started_s: float | None = None  # monotonic time of a rewind whose records have not arrived yet

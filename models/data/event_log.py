"""A log of events in stream order, which training and evaluation replay."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch


@dataclass(frozen=True, slots=True)
class EventLog:
    """n events in stream order."""

    user: NDArray[np.int64]
    """[n] number of the user, from 0"""
    item: NDArray[np.int64]
    """[n] item index, 0 = no item"""
    time_ms: NDArray[np.int64]
    type: NDArray[np.int64]
    """[n] index into EVENT_TYPES"""
    value: NDArray[np.float64]
    """[n] rating, price, quantity; NaN where there is none"""
    text: NDArray[np.object_]
    """[n] text that the user wrote; empty where none"""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "EventLog":
        return EventLog(*(getattr(self, field.name)[rows] for field in fields(self)))

    def grouped(self) -> "GroupedEvents":
        """The log as a batch: by user, in stream order within a user."""
        order = np.argsort(self.user, kind="stable")
        users, row = np.unique(self.user[order], return_inverse=True)
        batch = EventBatch(
            row,
            self.item[order],
            self.type[order],
            self.time_ms[order],
            value=self.value[order].astype(np.float32),
            text=self.text[order].tolist(),
        )
        return GroupedEvents(batch, order, users)


@dataclass(frozen=True, slots=True)
class GroupedEvents:
    """A log as one batch grouped by user, with the index in the log of each event."""

    batch: EventBatch
    order: NDArray[np.int64]
    """[n] index in the log of each event of the batch"""
    users: NDArray[np.int64]
    """[U] number in the log of the user of each row"""

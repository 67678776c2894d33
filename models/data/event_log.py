"""A log of events, in the order of the stream: what training and evaluation replay."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch


@dataclass(frozen=True, slots=True)
class Events:
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
    """[n] what the user wrote; empty where nothing"""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "Events":
        return Events(*(getattr(self, field.name)[rows] for field in fields(self)))

    def grouped(self) -> "Grouped":
        """The events as a batch, which is grouped by user."""
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
        return Grouped(batch, order, users)


@dataclass(frozen=True, slots=True)
class Grouped:
    """A batch, and where its events and users stand in the log."""

    batch: EventBatch
    order: NDArray[np.int64]
    """[n] place in the log of each of the batch's events"""
    users: NDArray[np.int64]
    """[U] number of the user of each row"""

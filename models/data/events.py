"""A batch of events in columns, the input of engine and learner, and the weight of each event type in the loss.

Knows nothing of records, topics or JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

TYPE_WEIGHT: Final[NDArray[np.float32]] = np.array(
    # A purchase is the clearest choice. Only rows of earlier versions hold impressions (event_types.IMPRESSION).
    [1.0, 0.5, 1.0, 1.0, 2.0, 4.0, 1.0, 1.5, 1.5, 2.0, 0.1],
    dtype=np.float32,
)
"""Weight of one event in the training loss, by type: how much interest it shows."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """n events grouped by user (`user` does not decrease), in stream order within a user."""

    user: NDArray[np.int64]
    """[n] row of the user"""
    item: NDArray[np.int64]
    """[n] item index, 0 = no item"""
    type: NDArray[np.int64]
    """[n] index into EVENT_TYPES"""
    time_ms: NDArray[np.int64]
    """[n] event time, epoch ms"""
    value: NDArray[np.float32] | None = field(default=None, kw_only=True)
    """[n] rating, price, quantity; NaN where an event has none, None where all have none"""
    text: Sequence[str] | None = field(default=None, kw_only=True)
    """[n] text that the user wrote; empty where none, None where no event has one"""
    profile: NDArray[np.float32] | None = field(default=None, kw_only=True)
    """[n, F] what was known of the user at the event (user_profile.py); None: what the rows have"""

    def __post_init__(self) -> None:
        columns = (self.item, self.type, self.time_ms, self.value, self.text, self.profile)
        if any(column is not None and len(column) != len(self.user) for column in columns):
            raise ValueError("all columns must have one length")
        if len(self.user) and (self.user[0] < 0 or bool((self.user[1:] < self.user[:-1]).any())):
            raise ValueError("events must be grouped by user: user must not decrease")

    def __len__(self) -> int:
        return len(self.user)

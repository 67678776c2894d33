"""Vocabulary of event types and the batch of events that engine and learner take.

Knows nothing of records, topics or JSON.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVENT_TYPES: Final = (
    "other",
    "view",
    "click",
    "search",
    "add_to_cart",
    "purchase",
    "rating",
    "review",
    "like",
    "share",
    "impression",
)
"""Event types by index; the order is part of every checkpoint, so new ones go to the end."""

_INDEX: Final = {name: index for index, name in enumerate(EVENT_TYPES)}

TYPE_WEIGHT: Final[NDArray[np.float32]] = np.array(
    # An impression is shown to the user, not chosen by them; a purchase is the clearest choice.
    [1.0, 0.5, 1.0, 1.0, 2.0, 4.0, 1.0, 1.5, 1.5, 2.0, 0.1],
    dtype=np.float32,
)
"""Weight of one event in the training loss, by type: what it says about interest."""


def type_index(name: str) -> int:
    """Index of the event type; every unknown name is `other`."""
    return _INDEX.get(name, 0)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """n events grouped by user (`user` does not decrease), in stream order within a user."""

    user: NDArray[np.int64]
    """[n] row of the user in the memory"""
    item: NDArray[np.int64]
    """[n] item index, 0 = no item"""
    type: NDArray[np.int64]
    """[n] index into EVENT_TYPES"""
    time_ms: NDArray[np.int64]
    """[n] event time, epoch ms"""

    def __post_init__(self) -> None:
        if not len(self.user) == len(self.item) == len(self.type) == len(self.time_ms):
            raise ValueError("user, item, type and time_ms must have one length")
        if len(self.user) and (self.user[0] < 0 or bool((self.user[1:] < self.user[:-1]).any())):
            raise ValueError("events must be grouped by user: user must not decrease")

    def __len__(self) -> int:
        return len(self.user)

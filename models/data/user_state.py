"""A user's stored row: recurrent state and the last K events; and the windows of past events that the network reads.

The history is a circular buffer (ring): event number s of the user (from 0) lies in slot s % K. Where rows are stored,
and which other fields they have, is not known here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_features import EventFeatures
from models.data.user_row import user_row_fields

GAP_BUCKETS = 32
"""Time since the user's previous event: 0 = first event, else 1 + floor(log2(1 + seconds)), at most 31 (34 years)"""


def new_user_states(config: ModelConfig, users: int) -> NDArray[np.void]:
    """[U] rows of new users, with no other fields than the model's."""
    return np.zeros(users, dtype=np.dtype(user_row_fields(config)))


@dataclass(frozen=True, slots=True)
class Windows:
    """P windows of a user's last K events, newest first."""

    features: EventFeatures
    """[P, K]"""
    valid: NDArray[np.bool_]
    """[P, K] False where the user has no such event"""

    @property
    def item(self) -> NDArray[np.int64]:
        """[P, K] item index of each event."""
        return self.features.item


def ring_features(rows: NDArray[np.void]) -> EventFeatures:
    """[U, K] features of the stored events, by slot of the ring."""
    names = rows.dtype.names or ()
    item, kind, gap = (rows[name].astype(np.int64) for name in ("ring_item", "ring_type", "ring_gap"))
    text = rows["ring_text"] if "ring_text" in names else np.zeros((*item.shape, 0), np.uint8)
    return EventFeatures(item, kind, gap, rows["ring_value"], text)


def ordered_history(rows: NDArray[np.void], user: NDArray[np.int64]) -> tuple[EventFeatures, NDArray[np.int64]]:
    """[B, K] stored events of these users, oldest first, padded with zeros behind; and how many [B] there are."""
    ring = rows["ring_item"].shape[1]
    events = rows["steps"][user].astype(np.int64)
    length = np.minimum(events, ring)
    column = np.arange(ring)
    slot = ((events - length)[:, None] + column) % ring  # [B, K]
    return ring_features(rows)[user[:, None], slot].where(column < length[:, None]), length

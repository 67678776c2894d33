"""New events of one user, however many."""

from __future__ import annotations

import numpy as np

from models.data.new_events import PAIR_DISTANCE, NewEvents


def events_of(*items: int, before: tuple[int, ...] = ()) -> NewEvents:
    """Views of these items by one user, who had those `before`."""
    history = np.array([*[0] * PAIR_DISTANCE, *before, *items], np.int64)
    newest = len(history) - len(items) + np.arange(len(items))
    earlier = history[newest[:, None] - 1 - np.arange(PAIR_DISTANCE)]
    return NewEvents(np.array(items, np.int64), np.ones(len(items), np.float32), earlier)

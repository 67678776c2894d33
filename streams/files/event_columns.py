"""Logged events as arrays, for training and evaluation."""

from collections.abc import Sequence

import numpy as np

from models.data.event_log import EventLog
from models.data.event_types import type_index
from streams.files.event_logs import LoggedEvent


def event_columns(logged: Sequence[LoggedEvent], users: dict[str, int], items: dict[str, int]) -> EventLog:
    """The events as arrays in the same order; new users and items are added to `users` and `items`.

    User indices start at 0, item indices at 1; 0 is the empty id, "no item".
    """
    items.setdefault("", 0)
    return EventLog(
        user=np.array([users.setdefault(event.user_id, len(users)) for event in logged], dtype=np.int64),
        item=np.array([items.setdefault(event.item_id, len(items)) for event in logged], dtype=np.int64),
        time_ms=np.array([event.time_ms for event in logged], dtype=np.int64),
        type=np.array([type_index(event.event_type) for event in logged], dtype=np.int64),
        value=np.array([np.nan if event.value is None else event.value for event in logged], dtype=np.float64),
        text=np.array([event.text or "" for event in logged], dtype=np.object_),
    )

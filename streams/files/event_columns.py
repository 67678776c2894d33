"""Logged events as columns of numbers, for training and evaluation."""

from collections.abc import Sequence

import numpy as np

from models.data.event_log import EventLog
from models.data.event_types import type_index
from streams.files.event_logs import LoggedEvent


def event_columns(logged: Sequence[LoggedEvent], users: dict[str, int], items: dict[str, int]) -> EventLog:
    """The events in their order; users and items that have no number yet get the next ones.

    `users` count from 0, `items` from 1: the empty id, "no item", is 0.
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

"""Logged events as arrays, for training and evaluation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog
from models.data.event_types import IMPRESSION, type_index
from streams.files.logged_event import LoggedEvent

_BATCH_EVENTS = 65_536


def without_impressions(logged: Iterable[LoggedEvent]) -> Iterator[LoggedEvent]:
    """The events that a model is trained on and scored by: what users were shown, they did not choose."""
    return (event for event in logged if event.event_type != IMPRESSION)


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


def sorted_event_columns(logged: Iterable[LoggedEvent], registered: Sequence[str]) -> tuple[EventLog, int, list[str]]:
    """The events as arrays in order of time (equal times: in the given order), number of users, item ids by index.

    Impressions are left out.

    Reads batch by batch: only the arrays are in memory, about 60 bytes an event. Users and items get their index in
    order of their first event, items behind the `registered` ones.
    """
    users: dict[str, int] = {}
    items = {item_id: index for index, item_id in enumerate(["", *registered])}
    known, events = len(items), without_impressions(logged)
    batches: list[EventLog] = []
    while batch := list(islice(events, _BATCH_EVENTS)):
        batches.append(event_columns(batch, users, items))
    if not batches:
        return event_columns([], users, items), 0, list(items)
    names = ("user", "item", "time_ms", "type", "value", "text")
    log = EventLog(**{name: np.concatenate([getattr(batch, name) for batch in batches]) for name in names})
    batches.clear()
    log = log[np.argsort(log.time_ms, kind="stable")]
    user_index, item_index = _by_appearance(log.user, len(users), 0), _by_appearance(log.item, len(items), known)
    item_ids = [""] * len(items)
    for item_id, index in items.items():
        item_ids[item_index[index]] = item_id
    return replace(log, user=user_index[log.user], item=item_index[log.item]), len(users), item_ids


def _by_appearance(column: NDArray[np.int64], count: int, fixed: int) -> NDArray[np.int64]:
    """New index by old: the first `fixed` as they are, the others in order of their first row."""
    values, first_row = np.unique(column, return_index=True)
    new = values >= fixed
    index = np.arange(count)  # [count]
    index[values[new][np.argsort(first_row[new])]] = np.arange(fixed, count)
    return index

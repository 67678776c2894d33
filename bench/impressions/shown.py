"""Impressions that a log might have had: before each event, items that were shown and passed over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog
from models.data.event_types import IMPRESSION, type_index

_COLUMNS = ("user", "item", "time_ms", "type", "value", "text")


def with_impressions(events: EventLog, shown: int, seed: int = 0) -> EventLog:
    """Before each event up to `shown` impressions of the same user and time: of items that the user passed over.

    They are those of earlier events, drawn at random, popular ones more often; the event's item is none of them: that
    it was shown would give it away.
    """
    generator = np.random.default_rng(seed)
    index = np.arange(len(events))
    earlier = (generator.random((len(index), shown)) * index[:, None]).astype(np.int64)  # [n, shown]
    item = events.item[earlier]
    passed_over = (item > 0) & (item != events.item[:, None]) & (index[:, None] > 0)
    repeated = np.broadcast_to(index[:, None], item.shape)[passed_over]
    item = item[passed_over]
    size = len(repeated)
    added = EventLog(
        user=events.user[repeated],
        item=item,
        time_ms=events.time_ms[repeated],
        type=np.full(size, type_index(IMPRESSION)),
        value=np.full(size, np.nan),
        text=np.full(size, "", dtype=object),
    )
    joined = EventLog(*(np.concatenate([getattr(added, name), getattr(events, name)]) for name in _COLUMNS))
    return joined[np.argsort(np.concatenate([repeated, np.arange(len(events))]), kind="stable")]


def is_impression(events: EventLog) -> NDArray[np.bool_]:
    """[n] Whether the event is an impression."""
    return np.asarray(events.type == type_index(IMPRESSION))

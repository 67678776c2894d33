"""Users' newest events, as they come in; and how often what was predicted for a user is what the user then did."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Final

from state.ordered_store import OrderedStore
from streams.schema.events import ITEM_EVENTS, UserEvent
from streams.schema.record import Record
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import CALIBRATION, EVENTS, USER, id_key, number_key
from streams.web.view.rows import (
    CALIBRATION_ROW,
    EVENT_ROWS,
    USER_ROW,
    CalibrationRow,
    EventRow,
    UserRow,
    encode,
    encode_list,
)

KEPT: Final = 32
"""Newest events of a user"""
_HOUR_MS: Final = 3_600_000
KEPT_HOURS: Final = 30 * 24
BINS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Where one bin of probability ends and the next begins"""


class RecentEvents:
    """Rows of events. `put` is for the thread that writes, the rest is for any."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store

    def put(self, event: UserEvent, record: Record, batch: ViewBatch) -> None:
        """Adds the event, and scores the prediction after the user's event before it, if that is here already."""
        key, stored = id_key(EVENTS, event.user_id), batch.get(id_key(USER, event.user_id))
        events = self._events(event.user_id, batch)
        events.append(
            EventRow(event.event_id, event.event_type, event.item_id, event.time_ms, record.partition, record.offset)
        )
        if stored is not None:
            self._score(USER_ROW(stored), events[-2:], batch)
        batch.put(key, encode_list(events[-KEPT:]))

    def score(self, user_id: str, prediction: UserRow, batch: ViewBatch) -> None:
        """Scores the user's prediction by the event after the one that it was made for, if that is here already."""
        self._score(prediction, self._events(user_id, batch), batch)

    def erase(self, user_id: str, batch: ViewBatch) -> None:
        """Deletes the user's events."""
        batch.delete(id_key(EVENTS, user_id))

    def of(self, user_id: str) -> list[EventRow]:
        """The user's newest events, newest first."""
        stored = self._store.get(id_key(EVENTS, user_id))
        return [] if stored is None else EVENT_ROWS(stored)[::-1]

    def calibration(self, since_ms: int) -> CalibrationRow:
        """Counts by bin since a time, in whole hours."""
        total = _empty()
        for _, value in self._store.scan(CALIBRATION, number_key(CALIBRATION, max(0, since_ms // _HOUR_MS - 1))):
            hour = CALIBRATION_ROW(value)
            for index in range(len(total.count)):
                total.count[index] += hour.count[index]
                total.p_sum[index] += hour.p_sum[index]
                total.hits[index] += hour.hits[index]
        return total

    def _events(self, user_id: str, batch: ViewBatch) -> list[EventRow]:
        stored = batch.get(id_key(EVENTS, user_id))
        return [] if stored is None else EVENT_ROWS(stored)

    def _score(self, row: UserRow, events: list[EventRow], batch: ViewBatch) -> None:
        """Scores the most probable item by the event that follows the prediction's own in these events, if any does.

        Whichever of both comes last finds the other, so that each prediction is scored once at most.
        """
        pairs = pairwise(events)
        following = next((after for event, after in pairs if _is_source(event, row)), None)
        if not row.items or following is None or following.event_type not in ITEM_EVENTS or following.item_id is None:
            return
        hour_ms = max(0, row.emitted_at // _HOUR_MS)
        key = number_key(CALIBRATION, hour_ms)
        known = batch.get(key)
        hour = _empty() if known is None else CALIBRATION_ROW(known)
        index = bisect_right(BINS, row.item_p[0])
        hour.count[index] += 1
        hour.p_sum[index] += row.item_p[0]
        hour.hits[index] += row.items[0] == following.item_id
        batch.put(key, encode(hour))
        if known is None:
            for old, _ in self._store.scan(CALIBRATION, before=number_key(CALIBRATION, max(0, hour_ms - KEPT_HOURS))):
                batch.delete(old)


def _is_source(event: EventRow, row: UserRow) -> bool:
    """Whether the prediction was made after this event."""
    place = (row.source_partition, row.source_offset, row.caused_by)
    return place == (event.partition, event.offset, event.event_id)


def _empty() -> CalibrationRow:
    bins = len(BINS) + 1
    return CalibrationRow([0] * bins, [0.0] * bins, [0] * bins)

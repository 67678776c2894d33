"""Users' newest events, as they come in; and how often what was predicted for a user is what the user then did."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from state.ordered_store import OrderedStore
from streams.schema.events import ITEM_EVENTS, UserEvent
from streams.schema.record import Record
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import CALIBRATION, EVENTS, USER, id_key, number_key
from streams.web.view.rows import CALIBRATION_ROW, EVENT_ROWS, USER_ROW, CalibrationRow, EventRow, encode, encode_list

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
        """Adds the event, and scores the prediction that readers had before it.

        To be called before predictions of the same fetch are put, which may already know the event.
        """
        if event.item_id is not None and event.event_type in ITEM_EVENTS:
            self._score(event.user_id, event.item_id, record, batch)
        key = id_key(EVENTS, event.user_id)
        stored = batch.get(key)
        events = [] if stored is None else EVENT_ROWS(stored)
        events.append(
            EventRow(event.event_id, event.event_type, event.item_id, event.time_ms, record.partition, record.offset)
        )
        batch.put(key, encode_list(events[-KEPT:]))

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

    def _score(self, user_id: str, item_id: str, record: Record, batch: ViewBatch) -> None:
        """Scores the user's most probable item, where the prediction is of an earlier event than this one."""
        stored = batch.get(id_key(USER, user_id))
        if stored is None:
            return
        row = USER_ROW(stored)
        if not row.items or row.source_partition != record.partition or row.source_offset >= record.offset:
            return
        hour_ms = max(0, record.timestamp // _HOUR_MS)
        key = number_key(CALIBRATION, hour_ms)
        known = batch.get(key)
        hour = _empty() if known is None else CALIBRATION_ROW(known)
        index = bisect_right(BINS, row.item_p[0])
        hour.count[index] += 1
        hour.p_sum[index] += row.item_p[0]
        hour.hits[index] += row.items[0] == item_id
        batch.put(key, encode(hour))
        if known is None:
            for old, _ in self._store.scan(CALIBRATION, before=number_key(CALIBRATION, max(0, hour_ms - KEPT_HOURS))):
                batch.delete(old)


def _empty() -> CalibrationRow:
    bins = len(BINS) + 1
    return CalibrationRow([0] * bins, [0.0] * bins, [0] * bins)

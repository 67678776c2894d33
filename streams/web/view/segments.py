"""Segments: users by the category they will want most and by their level of risk, counted as records come.

A user's category is that of the largest share over the longest horizon of the newest prediction; where that has no
horizons, of the next item. The level is that of the newest warning. Every user is in one segment.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Final, NamedTuple

from state.ordered_store import OrderedStore
from streams.schema.churn import LEVELS, ChurnWarning
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import RISK, SEGMENT, USER, id_key, id_of
from streams.web.view.rows import RISK_ROW, SEGMENT_ROW, USER_ROW, RiskRow, SegmentRow, UserRow, encode

_NO_CATEGORY: Final = ""


class Segment(NamedTuple):
    """Which users."""

    category: str
    """Empty where none is known"""
    level: int
    """Index into LEVELS"""


def segment_of(row: UserRow, risk: RiskRow | None) -> Segment:
    """The user's segment."""
    categories = max(row.horizons, key=lambda horizon: horizon.days).categories if row.horizons else row.categories
    return Segment(categories[0] if categories else _NO_CATEGORY, 0 if risk is None else risk.level)


class Segments:
    """Sizes of the segments. One thread changes them, others read; each method is one step to all of them."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store
        self._lock = Lock()
        self._users: Counter[Segment] = Counter()
        self._changed: set[Segment] = set()
        self.load()

    def load(self) -> None:
        """Reads what the store has."""
        with self._lock:
            self._users, self._changed = Counter(), set()
            for _, value in self._store.scan(SEGMENT):
                row = SEGMENT_ROW(value)
                self._users[Segment(row.category, row.level)] = row.users

    @property
    def users(self) -> int:
        """In all segments."""
        with self._lock:
            return self._users.total()

    def sizes(self) -> list[tuple[Segment, int]]:
        """The segments that have users, the largest first."""
        with self._lock:
            sizes = [(segment, users) for segment, users in self._users.items() if users > 0]
        return sorted(sizes, key=lambda size: (-size[1], size[0]))

    def move(self, before: UserRow | None, after: UserRow | None, risk: RiskRow | None) -> None:
        """Counts a user whose prediction is another one now, or who has none any more."""
        left, entered = (None if row is None else segment_of(row, risk) for row in (before, after))
        self._move(left, entered)

    def warn(self, user_id: str, warning: ChurnWarning | None, batch: ViewBatch) -> None:
        """Applies the user's newest warning; None: the user was erased."""
        key = id_key(RISK, user_id)
        before, stored = self.risk(user_id, batch), batch.get(id_key(USER, user_id))
        risk = None
        if warning is None or warning.level == "none":
            batch.delete(key)
        else:
            level = LEVELS.index(warning.level)
            risk = RiskRow(level, warning.since, warning.no_event_p, warning.reason, warning.last_event_time)
            batch.put(key, encode(risk))
        if stored is not None:
            row = USER_ROW(stored)
            self._move(segment_of(row, before), segment_of(row, risk))

    def risk(self, user_id: str, batch: ViewBatch | None = None) -> RiskRow | None:
        """The user's level, None where there is no warning; as of the batch, or of the store."""
        key = id_key(RISK, user_id)
        stored = self._store.get(key) if batch is None else batch.get(key)
        return None if stored is None else RISK_ROW(stored)

    def store(self, batch: ViewBatch) -> None:
        """Puts what has changed into the batch."""
        with self._lock:
            for segment in self._changed:
                key = SEGMENT + str(segment.level).encode() + segment.category.encode()
                if self._users[segment] > 0:
                    batch.put(key, encode(SegmentRow(segment.category, segment.level, self._users[segment])))
                else:
                    batch.delete(key)
                    del self._users[segment]
            self._changed.clear()

    def recount(self) -> None:
        """Counts all users anew, after what was read of a topic was dropped."""
        with self._lock:
            self._changed |= self._users.keys()
            self._users = Counter()
            for key, value in self._store.scan(USER):
                segment = segment_of(USER_ROW(value), self.risk(id_of(key)))
                self._users[segment] += 1
                self._changed.add(segment)

    def _move(self, before: Segment | None, after: Segment | None) -> None:
        if before == after:
            return
        with self._lock:
            for segment, sign in ((before, -1), (after, 1)):
                if segment is not None:
                    self._users[segment] += sign
                    self._changed.add(segment)

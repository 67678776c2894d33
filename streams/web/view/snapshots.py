"""Snapshots of the audience: every ten seconds for an hour, every minute for a day, every hour for thirty days."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from state.ordered_store import OrderedStore
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import SNAPSHOT, number_key, number_of
from streams.web.view.rows import SNAPSHOT_ROW, Snapshot, encode


@dataclass(frozen=True, slots=True)
class Tier:
    """Snapshots at equal distances, which are kept for some time."""

    prefix: bytes
    interval_ms: int
    kept_ms: int


TIERS: Final = (
    Tier(SNAPSHOT + b"0", 10_000, 3_600_000),
    Tier(SNAPSHOT + b"1", 60_000, 86_400_000),
    Tier(SNAPSHOT + b"2", 3_600_000, 30 * 86_400_000),
)
"""From the finest to the coarsest"""
_LATEST_MS: Final = 5_000
MAX_WINDOW_S: Final = TIERS[-1].kept_ms // 1000


class Snapshots:
    """Snapshots by time. They begin when this view does: those of a lost one are lost with it."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store
        self._newest = {tier: self._newest_time(tier) for tier in TIERS}

    def take(self, now_ms: int, snapshot: Callable[[], Snapshot], batch: ViewBatch) -> None:
        """Puts a snapshot into the batch for each tier that is due, and deletes those that are too old."""
        due = []
        for tier in TIERS:
            time_ms = now_ms // tier.interval_ms * tier.interval_ms
            if time_ms > self._newest[tier]:
                self._newest[tier] = time_ms
                if now_ms - time_ms < _LATEST_MS:  # else nobody has looked at that time
                    due.append((tier, time_ms))
        if not due:
            return
        row = encode(snapshot())
        for tier, time_ms in due:
            batch.put(number_key(tier.prefix, time_ms), row)
            for key, _ in self._store.scan(tier.prefix, before=number_key(tier.prefix, max(0, time_ms - tier.kept_ms))):
                batch.delete(key)

    def before(self, time_ms: int) -> tuple[int, Snapshot] | None:
        """Time and snapshot: the newest that is not newer than the time; the oldest of all where there is none."""
        oldest: tuple[int, bytes] | None = None
        for tier in TIERS:
            end = number_key(tier.prefix, time_ms + 1)
            if (entry := next(self._store.scan(tier.prefix, before=end, reverse=True), None)) is not None:
                return number_of(entry[0]), SNAPSHOT_ROW(entry[1])
            if (entry := next(self._store.scan(tier.prefix), None)) is not None:
                time_of_first = number_of(entry[0])
                oldest = (time_of_first, entry[1]) if oldest is None or time_of_first < oldest[0] else oldest
        return None if oldest is None else (oldest[0], SNAPSHOT_ROW(oldest[1]))

    def series(self, now_ms: int, window_ms: int, steps: int) -> list[tuple[int, Snapshot]]:
        """Times and snapshots of the window, oldest first, at most so many, evenly thinned out."""
        tier = next((tier for tier in TIERS if tier.kept_ms >= window_ms), TIERS[-1])
        begin = number_key(tier.prefix, max(0, now_ms - window_ms))
        times = [number_of(key) for key, _ in self._store.scan(tier.prefix, begin)]
        series = []
        for time_ms in _thinned(times, steps):
            value = self._store.get(number_key(tier.prefix, time_ms))
            if value is not None:  # not deleted meanwhile
                series.append((time_ms, SNAPSHOT_ROW(value)))
        return series

    def _newest_time(self, tier: Tier) -> int:
        entry = next(self._store.scan(tier.prefix, reverse=True), None)
        return -1 if entry is None else number_of(entry[0])


def _thinned(times: Sequence[int], steps: int) -> Sequence[int]:
    """At most so many of the times, the newest among them: those nearest to equal distances."""
    if len(times) <= steps:
        return times
    first, last = times[0], times[-1]
    wanted = (first + (last - first) * (step + 1) / steps for step in range(steps))
    return list(dict.fromkeys(times[min(bisect_left(times, time), len(times) - 1)] for time in wanted))

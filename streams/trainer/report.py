"""The line that a trainer logs every ten seconds."""

from __future__ import annotations

import logging
import time
from typing import Final

from streams.releases.release_topic import WrittenRelease
from streams.trainer.changelog_feed import FeedLag

log = logging.getLogger(__name__)

_INTERVAL_S: Final = 10.0


class TrainingReport:
    """Counts since the last line."""

    def __init__(self) -> None:
        self._begin_s = time.monotonic()
        self._events = self._releases = self._size = 0
        self._number = 0

    def add_events(self, events: int) -> None:
        """So many were learnt."""
        self._events += events

    def add_release(self, written: WrittenRelease) -> None:
        """It was committed."""
        self._releases += 1
        self._size += written.size
        self._number = written.number

    def log_if_due(self, lag: FeedLag) -> None:
        """Logs the counts of the last ten seconds, where there were any."""
        seconds = time.monotonic() - self._begin_s
        if seconds < _INTERVAL_S:
            return
        if self._events or self._releases:
            age = "" if lag.age_s is None else f", the last one written {lag.age_s:.1f} s ago"
            size = self._size / max(self._releases, 1)
            log.info(
                "%.0f events/s learnt; %d records behind%s; %d releases up to %d, %.0f bytes each",
                self._events / seconds,
                lag.records,
                age,
                self._releases,
                self._number,
                size,
            )
        self._begin_s = time.monotonic()
        self._events = self._releases = self._size = 0

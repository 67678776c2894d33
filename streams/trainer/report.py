"""The line that a trainer logs every ten seconds."""

from __future__ import annotations

import logging
import time
from typing import Final

from streams.releases.release_topic import WrittenRelease
from streams.trainer.changelog_feed import FeedLag
from streams.trainer.model import Counted, TrainStep

log = logging.getLogger(__name__)

_INTERVAL_S: Final = 10.0


class TrainingReport:
    """Counts since the last line."""

    def __init__(self) -> None:
        self._begin_s = time.monotonic()
        self._events = self._missed = self._learnt = self._releases = self._size = 0
        self._left_out = 0.0
        self._number = 0

    def add_counted(self, counted: Counted) -> None:
        """Of some rows."""
        self._events += counted.events
        self._missed += counted.missed

    def add_step(self, step: TrainStep) -> None:
        """It was taken."""
        self._learnt += step.events
        self._left_out += step.left_out

    def add_release(self, written: WrittenRelease) -> None:
        """It was committed."""
        self._releases += 1
        self._size += written.size
        self._number = written.number

    def log_if_due(self, lag: FeedLag) -> None:
        """Logs the counts of the last ten seconds, where there were any."""
        if time.monotonic() - self._begin_s < _INTERVAL_S:
            return
        self.log(lag)

    def log(self, lag: FeedLag) -> None:
        """Logs the counts since the last line, where there were any."""
        seconds = time.monotonic() - self._begin_s
        if self._events or self._releases:
            age = "" if lag.age_s is None else f", the last one written {lag.age_s:.1f} s ago"
            size = self._size / max(self._releases, 1)
            log.info(
                "%.0f events/s counted, %.0f learnt in %.1f s; %d records behind%s; %d releases up to %d, "
                "%.0f bytes each",
                self._events / seconds,
                self._learnt / seconds,
                seconds,
                lag.records,
                age,
                self._releases,
                self._number,
                size,
            )
        if self._missed:
            log.warning(
                "%d events were neither counted nor learnt: their users had more in one step than a row holds "
                "(model.history_length); lower worker.step_max_events",
                self._missed,
            )
        if self._left_out >= 1:
            log.info(
                "the influence of %.0f of the events was left out of learning: their users send faster than "
                "learning.min_window_s, or one item more often than learning.max_repeats",
                self._left_out,
            )
        self._begin_s = time.monotonic()
        self._events = self._missed = self._learnt = self._releases = self._size = 0
        self._left_out = 0.0

"""When the next optimizer step is due: so that learning takes no more than its share of the time."""

from __future__ import annotations

import time
from typing import Final

# A small step costs as much as a full one: what does not fill one waits, but not for ever.
_MAX_WAIT_S: Final = 0.5
# Behind a backlog releases are late already: counting goes before learning.
_BACKLOG_SHARE: Final = 0.25


class LearningPace:
    """Paces the steps of one trainer."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._due_s = self._ended_s = 0.0  # monotonic clock

    @property
    def wait_s(self) -> float:
        """Until the next step is due; 0 where it is."""
        return max(0.0, self._due_s - time.monotonic())

    @property
    def partial(self) -> bool:
        """Whether the next step should not wait until it is full."""
        return time.monotonic() - self._ended_s > _MAX_WAIT_S

    def add_step(self, seconds: float, behind: bool) -> None:
        """A step took so long; `behind`: more events wait than are counted."""
        share = self._share * (_BACKLOG_SHARE if behind else 1.0)
        self._ended_s = time.monotonic()
        self._due_s = self._ended_s + seconds * (1.0 - share) / share

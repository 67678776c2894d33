"""Exponentially decayed counts of items: an event that is one half-life old counts half of one now."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown

_MIN_COUNT = 1e-30
_FLUSH_EVENTS = 10_000
"""Events after which tiny counts are set to 0: long before they are denormal numbers, which are slow to compute with"""


class DecayedCounts:
    """Counts of each item at L half-lives, which are numbers of events. Memory: 8 L bytes per item."""

    def __init__(self, half_lives: Sequence[float]) -> None:
        self._decay = 2.0 ** (-1.0 / np.array(half_lives))  # [L]
        self._counts = [np.zeros(FIRST_ROWS) for _ in half_lives]
        self._events_since_flush = 0

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self._counts = [grown(counts, rows) for counts in self._counts]

    def add(self, item: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        """Count n events by their weights [n], oldest first; item 0 is counted nowhere, but it ages the others."""
        if not len(item):
            return
        self.grow(int(item.max()) + 1)
        age = len(item) - 1.0 - np.arange(len(item))
        self._events_since_flush += len(item)
        flush = self._events_since_flush >= _FLUSH_EVENTS
        if flush:
            self._events_since_flush = 0
        for decay, counts in zip(self._decay, self._counts, strict=True):
            if decay < 1:
                counts *= decay ** len(item)
                if flush:
                    counts[counts < _MIN_COUNT] = 0.0
            np.add.at(counts, item, decay**age * weight * (item > 0))

    def counts(self, rows: int) -> list[NDArray[np.float64]]:
        """[rows] counts of the items below `rows` at each half-life; views that change as more is counted."""
        self.grow(rows)
        return [counts[:rows] for counts in self._counts]

    def state(self, rows: int) -> NDArray[np.float64]:
        """[L, rows] copy of the counts of items below `rows`, for which there is room."""
        return np.stack([counts[:rows] for counts in self._counts])

    def restore(self, state: NDArray[np.float64]) -> None:
        """Go on from `state` [L, rows]."""
        self._counts = [grown(np.array(counts), FIRST_ROWS) for counts in state]

"""Exponentially decayed counts of items: an event that is one half-life old counts half of one now."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown

_MIN_COUNT = 1e-30
_MAX_POWER = 400.0
"""Of two, that a stored count may be of the count it stands for: well below the largest float64, 2^1024"""


class DecayedCounts:
    """Counts of each item at L half-lives, which are numbers of events. Memory: 8 L bytes per item.

    Forward decay (Cormode et al., 2009): event t of weight w is stored as w 2^((t - landmark) / half-life), so that
    only the items of new events change. When these numbers get large, the landmark moves and all change once.
    """

    def __init__(self, half_lives: Sequence[float]) -> None:
        self._rate = 1.0 / np.array(half_lives)  # [L]
        self._scaled = [np.zeros(FIRST_ROWS) for _ in half_lives]
        self._age = 0
        """Events since the landmark"""
        fastest = float(self._rate.max())
        self._max_age = int(_MAX_POWER / fastest) if fastest > 0 else 2**62

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self._scaled = [grown(scaled, rows) for scaled in self._scaled]

    def add(self, item: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        """Count n events by their weights [n], oldest first; item 0 is counted nowhere, but it ages the others."""
        if not len(item):
            return
        self.grow(int(item.max()) + 1)
        for low in range(0, len(item), self._max_age):
            self._add(item[low : low + self._max_age], weight[low : low + self._max_age])

    def counts(self, rows: int) -> list[NDArray[np.float64]]:
        """[rows] counts of the items below `rows` at each half-life."""
        self.grow(rows)
        return [scaled[:rows] * scale for scaled, scale in zip(self._scaled, self._scales(), strict=True)]

    def counts_of(self, item: NDArray[np.int64]) -> NDArray[np.float64]:
        """[L, n] counts of these items, for which there is room."""
        return np.stack([scaled[item] * scale for scaled, scale in zip(self._scaled, self._scales(), strict=True)])

    def put(self, item: NDArray[np.int64], counts: NDArray[np.float64], age: NDArray[np.int64]) -> None:
        """Replace the counts of these items, for which there is room, by `counts` [L, n] as of `age` [n] events ago."""
        for rate, scaled, values in zip(self._rate, self._scaled, counts, strict=True):
            scaled[item] = values * np.exp2((self._age - age) * rate)

    def add_past(self, item: NDArray[np.int64], weight: NDArray[np.float32], age: NDArray[np.int64]) -> None:
        """Count events of items for which there is room, each so many events ago [n]; nothing ages by them."""
        for rate, scaled in zip(self._rate, self._scaled, strict=True):
            np.add.at(scaled, item, np.exp2((self._age - age) * rate) * weight * (item > 0))

    def advance(self, events: int) -> None:
        """Let all counts age by so many events that are counted elsewhere."""
        self._age += events
        if self._age >= self._max_age:
            self._move_landmark()

    def state(self, rows: int) -> NDArray[np.float64]:
        """[L, rows] copy of the counts of items below `rows`, for which there is room."""
        return np.stack(self.counts(rows))

    def restore(self, state: NDArray[np.float64]) -> None:
        """Go on from `state` [L, rows]."""
        self._age = 0
        self._scaled = [grown(np.array(counts), FIRST_ROWS) for counts in state]

    def _add(self, item: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        if self._age + len(item) > self._max_age:
            self._move_landmark()
        age = self._age + 1.0 + np.arange(len(item))
        for rate, scaled in zip(self._rate, self._scaled, strict=True):
            np.add.at(scaled, item, np.exp2(age * rate) * weight * (item > 0))
        self._age += len(item)

    def _scales(self) -> list[float]:
        """What a stored count is to be multiplied with, for each half-life."""
        scales: list[float] = np.exp2(-self._age * self._rate).tolist()
        return scales

    def _move_landmark(self) -> None:
        for scaled, scale in zip(self._scaled, self._scales(), strict=True):
            if scale < 1:
                scaled *= scale
                # Long before they are denormal numbers, which are slow to compute with.
                scaled[scaled < _MIN_COUNT] = 0.0
        self._age = 0

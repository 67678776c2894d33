"""Popularity of items at several half-lives, counted a batch at a time.

Knows nothing of users; an item's probability is never zero, so its logarithm always exists.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

HALF_LIVES: Final = (50.0, 1_000.0, 20_000.0, float("inf"))
"""Events after which an event counts half; the last one, for ever, smooths the others"""

SMOOTHING: Final = 0.02
"""Share of popularity in what counts can say about an item that they have not met"""

_PRIOR = 0.5
_LEAST = 1e-30
_FLUSH_EVENTS = 10_000
"""How often what has decayed to almost nothing is dropped: long before such numbers are so small as to be slow"""


class PopularityCounts:
    """Decayed counts of each item, one row per half-life. Memory: 32 bytes per item."""

    def __init__(self) -> None:
        self._decay: NDArray[np.float64] = 2.0 ** (-1.0 / np.array(HALF_LIVES))[:, None]  # [L, 1]
        self._counts = np.zeros((len(HALF_LIVES), 1024))
        self._unflushed = 0
        self._probabilities: NDArray[np.float32] | None = None

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        while self._counts.shape[1] < rows:
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)], axis=1)

    def add(self, item: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        """Count events, oldest first; item 0 counts for nothing but ages the others."""
        if not len(item):
            return
        self.grow(int(item.max()) + 1)
        self._probabilities = None
        worth = self._decay ** (len(item) - 1.0 - np.arange(len(item))) * weight * (item > 0)  # [L, n]
        self._counts[:-1] *= self._decay[:-1] ** len(item)
        self._unflushed += len(item)
        if self._unflushed >= _FLUSH_EVENTS:
            self._counts[self._counts < _LEAST] = 0.0
            self._unflushed = 0
        for counts, each in zip(self._counts, worth, strict=True):
            np.add.at(counts, item, each)

    def probabilities(self, rows: int) -> NDArray[np.float32]:
        """[L, rows] distributions over items 1 … rows - 1, all positive; each sums to one, item 0 has none.

        The array is the same one until more is counted.
        """
        if self._probabilities is not None and self._probabilities.shape[1] == rows:
            return self._probabilities
        self.grow(rows)
        counts = self._counts[:, 1:rows]  # [L, N]
        ever = counts[-1] + _PRIOR
        ever /= ever.sum()
        total = counts[:-1].sum(1)
        p = np.zeros((len(HALF_LIVES), rows), np.float32)
        p[-1, 1:] = ever
        for row, count, whole in zip(p[:-1], counts[:-1], total, strict=True):
            row[1:] = ever if whole <= 0 else (1 - SMOOTHING) / whole * count + SMOOTHING * ever
        self._probabilities = p
        return p

    def state(self, rows: int) -> NDArray[np.float64]:
        """[L, rows] copy of the counts of items below `rows`, for which there is room."""
        return self._counts[:, :rows].copy()

    def restore(self, state: NDArray[np.float64]) -> None:
        """Go on from `state`."""
        self._counts = np.zeros((len(HALF_LIVES), 1024))
        self._probabilities = None
        self.grow(state.shape[1])
        self._counts[:, : state.shape[1]] = state

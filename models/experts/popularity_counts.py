"""Popularity of items at several half-lives, as distributions over all items.

Every item has a positive probability, so its logarithm exists.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data.decayed_counts import DecayedCounts

HALF_LIVES: Final = (50.0, 1_000.0, 20_000.0, float("inf"))
"""In events; the last one never decays and smooths the others"""

SMOOTHING: Final = 0.02
"""Share of undecayed popularity in every count-based distribution: items that were not counted get that"""

_PRIOR = 0.5


class PopularityCounts:
    """Decayed counts of each item, one row per half-life. Memory: 32 bytes per item."""

    def __init__(self) -> None:
        self._counts = DecayedCounts(HALF_LIVES)
        self._probabilities: NDArray[np.float32] | None = None

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self._counts.grow(rows)

    def add(self, item: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        """Count events, oldest first; item 0 is counted nowhere, but it ages the others."""
        if len(item):
            self._probabilities = None
            self._counts.add(item, weight)

    def probabilities(self, rows: int) -> NDArray[np.float32]:
        """[L, rows] distributions over items 1 … rows - 1, all positive; each sums to one, item 0 has none.

        The same array is returned until more is counted.
        """
        if self._probabilities is not None and self._probabilities.shape[1] == rows:
            return self._probabilities
        *decayed, undecayed = (counts[1:] for counts in self._counts.counts(rows))  # [N] each
        base = undecayed + _PRIOR
        base /= base.sum()
        p = np.zeros((len(HALF_LIVES), rows), np.float32)
        p[-1, 1:] = base
        for row, counts in zip(p, decayed, strict=False):
            total = counts.sum()
            row[1:] = base if total <= 0 else (1 - SMOOTHING) / total * counts + SMOOTHING * base
        self._probabilities = p
        return p

    def counts_of(self, item: NDArray[np.int64]) -> NDArray[np.float64]:
        """[L, n] counts of these items, for which there is room."""
        return self._counts.counts_of(item)

    def advance(self, events: int) -> None:
        """Let all counts age by so many events that are counted elsewhere."""
        self._probabilities = None
        self._counts.advance(events)

    def put(self, item: NDArray[np.int64], counts: NDArray[np.float64], age: NDArray[np.int64]) -> None:
        """Replace the counts of these items by `counts` [L, n] as of `age` [n] events ago."""
        self._probabilities = None
        self._counts.put(item, counts, age)

    def add_past(self, item: NDArray[np.int64], weight: NDArray[np.float32], age: NDArray[np.int64]) -> None:
        """Count events, each so many events ago [n]; nothing ages by them."""
        self._probabilities = None
        self._counts.add_past(item, weight, age)

    def state(self, rows: int) -> NDArray[np.float64]:
        """[L, rows] copy of the counts of items below `rows`, for which there is room."""
        return self._counts.state(rows)

    def restore(self, state: NDArray[np.float64]) -> None:
        """Go on from `state`."""
        self._probabilities = None
        self._counts.restore(state)

"""Decayed popularity: the baseline that every prediction must beat.

Prequential: an item is ranked before it is counted. The same for every user, but for the items that a user already had.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.decayed_counts import DecayedCounts

_PRIOR = 0.5
"""Added to each item's count, so that its probability is never zero"""


class DecayedPopularity:
    """Counts of items in which an event `half_life` events ago counts half of one now. Memory: 8 bytes per item."""

    def __init__(self, half_life: float = 100_000) -> None:
        self.known = 0
        """Largest item that was ever observed"""
        self._counts = DecayedCounts((half_life,))

    def rank(self, item: int, seen: NDArray[np.int64] | None = None) -> float:
        """Rank of the item from 1 among those observed so far, less the distinct ones in `seen`; ties by their mean.

        Infinite where the item was never observed or is in `seen`.
        """
        (counts,) = self._counts.counts(self.known + 1)
        count = counts[item] if item < len(counts) else 0.0
        if count <= 0:
            return float("inf")
        above, equal = int(np.count_nonzero(counts > count)), int(np.count_nonzero(counts == count))
        if seen is not None and len(seen):
            if bool((seen == item).any()):
                return float("inf")
            seen_counts = counts[seen[seen < len(counts)]]
            above -= int(np.count_nonzero(seen_counts > count))
            equal -= int(np.count_nonzero(seen_counts == count))
        return above + (equal + 1) / 2

    def weights(self, rows: int) -> NDArray[np.float64]:
        """[rows] positive weights of the items below `rows`, in proportion to their probabilities."""
        (counts,) = self._counts.counts(rows)
        return counts + _PRIOR

    def observe(self, item: NDArray[np.int64]) -> None:
        """Count events, oldest first; index 0 (no item) is left out."""
        item = item[item > 0]
        if not len(item):
            return
        self.known = max(self.known, int(item.max()))
        self._counts.add(item, np.ones(len(item), np.float32))

    def counts_of(self, item: NDArray[np.int64]) -> NDArray[np.float64]:
        """[n] counts of these items."""
        self._counts.grow(int(item.max(initial=0)) + 1)
        counts: NDArray[np.float64] = self._counts.counts_of(item)[0]
        return counts

    def put(
        self,
        item: NDArray[np.int64],
        counts: NDArray[np.float64],
        age: NDArray[np.int64],
        newer: Sequence[NDArray[np.int64]],
    ) -> None:
        """Replace the counts of these items by `counts` [n], each as of `age` [n] events ago, and `newer` events."""
        self.known = max(self.known, int(item.max(initial=0)))
        self._counts.grow(self.known + 1)
        self._counts.put(item, counts[None], age)
        newest = np.concatenate([*newer, np.zeros(0, np.int64)])
        newest = newest[newest > 0]
        replaced = np.zeros(self.known + 1, np.bool_)
        replaced[item] = True
        (again,) = np.nonzero(replaced[newest])
        self._counts.add_past(newest[again], np.ones(len(again), np.float32), len(newest) - 1 - again)

    def advance(self, events: int) -> None:
        """Let all counts age by so many events, with an item, that are counted elsewhere."""
        self._counts.advance(events)

    def forget(self, item: NDArray[np.int64]) -> None:
        """Count these items from nothing."""
        item = item[item <= self.known]
        self._counts.put(item, np.zeros((1, len(item))), np.zeros(len(item), np.int64))

    def state(self) -> NDArray[np.float64]:
        """[known + 1] copy of the counts."""
        (counts,) = self._counts.counts(self.known + 1)
        return counts.copy()

    def restore(self, state: NDArray[np.float64]) -> None:
        """Go on from `state`."""
        self.known = len(state) - 1
        self._counts.restore(state[None])

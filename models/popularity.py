"""Decayed popularity: the counter that every prediction must beat.

Prequential: rank an item before it is observed. Knows nothing of users but the items they are said to have had.
"""

import numpy as np
from numpy.typing import NDArray

_LARGEST = 1e100


class DecayedPopularity:
    """Counts of items in which an event `half_life` events ago is worth half of one now."""

    def __init__(self, half_life: float = 100_000) -> None:
        self._growth = 2.0 ** (1.0 / half_life)
        # Each new event weighs more, instead of all old ones less: the number of items does not matter.
        self._weight = 1.0
        self._counts = np.zeros(1024, dtype=np.float64)

    def rank(self, item: int, seen: NDArray[np.int64] | None = None) -> float:
        """Rank of the item from 1 among those observed so far, less the distinct ones in `seen`; ties by their mean.

        Infinite where the item was never observed or is in `seen`.
        """
        own = self._counts[item] if item < len(self._counts) else 0.0
        if own <= 0:
            return float("inf")
        above, equal = int(np.count_nonzero(self._counts > own)), int(np.count_nonzero(self._counts == own))
        if seen is not None and len(seen):
            if bool((seen == item).any()):
                return float("inf")
            had = self._counts[seen[seen < len(self._counts)]]
            above -= int(np.count_nonzero(had > own))
            equal -= int(np.count_nonzero(had == own))
        return above + (equal + 1) / 2

    def top(self, count: int) -> NDArray[np.int64]:
        """The most popular items, falling; fewer where fewer were observed."""
        order = np.argsort(-self._counts, kind="stable")[:count]
        return order[self._counts[order] > 0]

    def observe(self, item: int) -> None:
        """Count one event; index 0 (no item) is none."""
        if item <= 0:
            return
        if item >= len(self._counts):
            size = 1 << item.bit_length()
            self._counts = np.concatenate([self._counts, np.zeros(size - len(self._counts))])
        self._counts[item] += self._weight
        self._weight *= self._growth
        if self._weight > _LARGEST:
            self._counts /= self._weight
            self._weight = 1.0

"""Decayed popularity: the counter that every prediction must beat.

Prequential: rank an item before it is observed. Knows nothing of users but the items they are said to have had.
"""

import numpy as np
from numpy.typing import NDArray

_PRIOR = 0.5
"""Events that every item is given beforehand, so that its share is never zero"""


class DecayedPopularity:
    """Counts of items in which an event `half_life` events ago is worth half of one now. Memory: 8 bytes per item."""

    def __init__(self, half_life: float = 100_000) -> None:
        self.known = 0
        """Largest item that was ever observed"""
        self._decay = 2.0 ** (-1.0 / half_life)
        self._counts = np.zeros(1024)

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

    def weights(self, rows: int) -> NDArray[np.float64]:
        """[rows] what the items below `rows` are worth, all positive, in proportion to their probabilities."""
        self._grow(rows)
        return self._counts[:rows] + _PRIOR

    def observe(self, item: NDArray[np.int64]) -> None:
        """Count events, oldest first; index 0 (no item) is none."""
        item = item[item > 0]
        if not len(item):
            return
        self.known = max(self.known, int(item.max()))
        self._grow(self.known + 1)
        self._counts *= self._decay ** len(item)
        np.add.at(self._counts, item, self._decay ** np.arange(len(item) - 1.0, -1.0, -1.0))

    def state(self) -> NDArray[np.float64]:
        """[known + 1] copy of the counts."""
        return self._counts[: self.known + 1].copy()

    def restore(self, state: NDArray[np.float64]) -> None:
        """Go on from `state`."""
        self.known = len(state) - 1
        self._counts = np.zeros(1024)
        self._grow(len(state))
        self._counts[: len(state)] = state

    def _grow(self, rows: int) -> None:
        if rows > len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros((1 << rows.bit_length()) - len(self._counts))])

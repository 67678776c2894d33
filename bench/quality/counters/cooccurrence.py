"""Successor counts: how often each item followed each other item, as sparse rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FIRST_CELLS = 4


class SuccessorCounts:
    """Counts of item pairs (earlier, later) of one user, `lag` ≤ `window` events apart; a pair counts 1 / lag."""

    def __init__(self, window: int) -> None:
        self._window = window
        # Only pairs that occur are kept: all pairs of 60 000 items would not fit into memory.
        self._place: dict[int, dict[int, int]] = {}  # of the later item in the arrays of the earlier
        self._items: dict[int, NDArray[np.int64]] = {}
        self._counts: dict[int, NDArray[np.float64]] = {}
        self._total: dict[int, float] = {}

    def observe(self, history: Sequence[int], item: int) -> None:
        """Count an event of a user with this history, oldest item first."""
        for lag, earlier in enumerate(reversed(history[-self._window :]), 1):
            self._add(earlier, item, 1 / lag)

    def add_row(self, out: NDArray[np.float64], item: int, scale: float, power: float) -> None:
        """Add to `out` the item's successor counts times `scale / total ** power`, `total` being their sum."""
        place = self._place.get(item)
        if place:
            # An item is in a row once, so indexed addition is correct.
            used = len(place)
            out[self._items[item][:used]] += self._counts[item][:used] * (scale / self._total[item] ** power)

    def _add(self, row: int, item: int, count: float) -> None:
        places = self._place.get(row)
        if places is None:
            places = self._place[row] = {}
            self._items[row] = np.zeros(_FIRST_CELLS, dtype=np.int64)
            self._counts[row] = np.zeros(_FIRST_CELLS)
            self._total[row] = 0.0
        place = places.get(item)
        if place is None:
            place = places[item] = len(places)
            if place == len(self._items[row]):
                self._items[row] = np.concatenate([self._items[row], np.zeros_like(self._items[row])])
                self._counts[row] = np.concatenate([self._counts[row], np.zeros_like(self._counts[row])])
            self._items[row][place] = item
        self._counts[row][place] += count
        self._total[row] += count

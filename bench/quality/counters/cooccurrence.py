"""Successors: how often each item followed each other one, for any number of items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FIRST_CELLS = 4


class Successors:
    """Counts of items by the item before them; one `lag` events before counts 1 / lag."""

    def __init__(self, window: int) -> None:
        self._window = window
        # Only pairs that were met are kept: 60 000 items have more pairs than fit in memory.
        self._items: dict[int, NDArray[np.int64]] = {}
        self._counts: dict[int, NDArray[np.float64]] = {}
        self._used: dict[int, int] = {}
        self._total: dict[int, float] = {}

    def observe(self, before: Sequence[int], item: int) -> None:
        """The item came after `before`, oldest first."""
        for lag, earlier in enumerate(reversed(before[-self._window :]), 1):
            self._add(earlier, item, 1 / lag)

    def add_row(self, out: NDArray[np.float64], item: int, scale: float, power: float) -> None:
        """Add the successors of the item to `out`: their counts times scale, over the row's total to this power."""
        used = self._used.get(item, 0)
        if used:
            # An item is in a row once, so a plain indexed sum is right.
            out[self._items[item][:used]] += self._counts[item][:used] * (scale / self._total[item] ** power)

    def _add(self, row: int, item: int, count: float) -> None:
        used = self._used.get(row, 0)
        if not used:
            self._items[row] = np.zeros(_FIRST_CELLS, dtype=np.int64)
            self._counts[row] = np.zeros(_FIRST_CELLS)
            self._total[row] = 0.0
        items, counts = self._items[row], self._counts[row]
        at = int(items[:used].searchsorted(item))
        if at == used or items[at] != item:
            if used == len(items):
                self._items[row] = items = np.concatenate([items, np.zeros_like(items)])
                self._counts[row] = counts = np.concatenate([counts, np.zeros_like(counts)])
            items[at + 1 : used + 1] = items[at:used]
            counts[at + 1 : used + 1] = counts[at:used]
            items[at], counts[at] = item, 0.0
            self._used[row] = used + 1
        counts[at] += count
        self._total[row] += count

"""Rows of different lengths: integers by row index, kept one after the other in one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import grown


class RaggedRows:
    """Rows of integers that can be replaced. Memory: 12 bytes per row and 4 per integer, doubled while it grows."""

    def __init__(self) -> None:
        self._start = np.zeros(0, dtype=np.int64)  # [rows]
        self._length = np.zeros(0, dtype=np.int32)  # [rows]
        self._values = np.zeros(0, dtype=np.int32)
        self._end = 0  # of the used part of `_values`
        self._used = 0  # values of present rows; the others were replaced

    def replace(self, index: int, row: Sequence[int]) -> None:
        """The row at this index is now `row`; rows that were never set are empty."""
        self._start = grown(self._start, index + 1)
        self._length = grown(self._length, index + 1)
        before = int(self._length[index])
        self._used += len(row) - before
        if len(row) > before:
            self._length[index] = 0
            if self._end + len(row) > len(self._values) and self._end > 2 * self._used:
                self._compact()
            self._start[index] = self._end
            self._end += len(row)
            self._values = grown(self._values, self._end)
        start = int(self._start[index])
        self._values[start : start + len(row)] = row
        self._length[index] = len(row)

    def entries(self, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Row index and value of every integer in the first `rows` rows, in order; and the lengths [rows]."""
        length = np.zeros(rows, dtype=np.int64)  # [rows]
        known = min(rows, len(self._length))
        length[:known] = self._length[:known]
        index = np.repeat(np.arange(rows), length)  # [entries]
        first = np.cumsum(length) - length  # [rows] of each row in `index`
        start = np.zeros(rows, dtype=np.int64)
        start[:known] = self._start[:known]
        position = np.arange(len(index)) + (start - first)[index]  # [entries]
        return index, self._values[position].astype(np.int64), length

    def _compact(self) -> None:
        """Moves the present rows together."""
        _, values, length = self.entries(len(self._length))
        self._start = np.cumsum(length) - length
        self._end = len(values)
        self._values = grown(values.astype(np.int32), self._end)

"""Fixed-width rows of user state: many users as one numpy structured array, or as one byte string each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.errors import RowFormatError
from state.row_format import FORMAT, HEADER, Field, format_error, size_error


class RowLayout:
    """Packed little-endian rows of `size` bytes: the header, then the declared fields in their order."""

    def __init__(self, fields: Sequence[Field]) -> None:
        declared: list[Any] = []
        for name, kind, shape in (*HEADER, *fields):
            dtype = np.dtype(kind)
            if dtype.kind not in "biufc":
                raise ValueError(f"field {name!r} has dtype {kind!r}: a row holds numbers of fixed width only")
            declared.append((name, dtype.newbyteorder("<"), shape))
        self.dtype: np.dtype[np.void] = np.dtype(declared)  # refuses a name that occurs twice
        self.size = self.dtype.itemsize
        self._blank = self.new(1).tobytes()

    def new(self, n: int) -> NDArray[np.void]:
        """The rows of `n` users without events: zeros, last offset -1."""
        rows = np.zeros(n, dtype=self.dtype)  # [U]
        rows["format"] = FORMAT
        rows["last_offset"] = -1
        return rows

    def unpack(self, values: Sequence[bytes | None]) -> NDArray[np.void]:
        """A writable array [U] of these rows, a new row where the value is None.

        Raises RowFormatError for a value of another length or format number.
        """
        blank = self._blank
        filled = [blank if value is None else value for value in values]
        lengths = set(map(len, filled))
        if lengths - {self.size}:
            raise size_error(lengths - {self.size}, self.size)
        rows = np.frombuffer(bytearray().join(filled), dtype=self.dtype)  # [U]
        if not (rows["format"] == FORMAT).all():
            raise format_error(set(rows["format"].tolist()) - {FORMAT})
        return rows

    def pack(self, rows: NDArray[np.void]) -> list[bytes]:
        """Each row's bytes, in order. Raises RowFormatError for rows of another dtype."""
        if rows.dtype != self.dtype:
            raise RowFormatError(f"rows of dtype {rows.dtype} cannot be packed as {self.dtype}: a program error")
        size = self.size
        packed = rows.tobytes()
        return [packed[start : start + size] for start in range(0, len(packed), size)]

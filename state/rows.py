"""Fixed-width rows of user state: many users as one numpy structured array, or as one byte string each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.errors import RowFormatError
from state.row_format import ADDED_BYTES, FORMAT, HEADER, Field, format_error, row_format_of, size_error, upgrade


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

        Rows of format 1 come upgraded. Raises RowFormatError for a value of another length or format number.
        """
        blank = self._blank
        filled = [blank if value is None else value for value in values]
        if set(map(len, filled)) - {self.size}:
            filled = self._upgraded(filled)
        rows = np.frombuffer(bytearray().join(filled), dtype=self.dtype)  # [U]
        if not (rows["format"] == FORMAT).all():
            formats = set(rows["format"].tolist()) - {FORMAT}
            # Of format 1, one that is long enough already has other fields.
            raise format_error(formats - {1}) if formats - {1} else size_error([self.size + ADDED_BYTES], self.size)
        return rows

    def _upgraded(self, values: Sequence[bytes]) -> list[bytes]:
        """These rows, those of format 1 upgraded. Raises RowFormatError where the length of one is wrong."""
        upgraded = [upgrade(row) if row_format_of(row) == 1 else row for row in values]
        if wrong := set(map(len, upgraded)) - {self.size}:
            raise size_error(wrong, self.size)
        return upgraded

    def pack(self, rows: NDArray[np.void]) -> list[bytes]:
        """Each row's bytes, in order. Raises RowFormatError for rows of another dtype."""
        if rows.dtype != self.dtype:
            raise RowFormatError(f"rows of dtype {rows.dtype} cannot be packed as {self.dtype}: a program error")
        size = self.size
        packed = rows.tobytes()
        return [packed[start : start + size] for start in range(0, len(packed), size)]

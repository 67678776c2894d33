"""Fixed-width rows of user state: many users as one numpy structured array, or as one byte string each.

Defines the header fields that every row begins with; the model declares the others.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.errors import RowFormatError
from state.event_hash import CHAIN_BYTES

Field = tuple[str, str, tuple[int, ...]]
"""Name, numpy dtype string, shape of one row's value."""

HEADER: tuple[Field, ...] = (
    ("format", "<u2", ()),
    ("count", "<u8", ()),  # events applied
    ("last_offset", "<i8", ()),  # offset of the last applied record in its source partition; -1 before the first
    ("chain", "|u1", (CHAIN_BYTES,)),  # hash chain over the applied events' ids (event_hash.py)
)


_LAST_OFFSET_AT = struct.calcsize("<HQ")  # behind format and count


def without_offset(row: bytes) -> bytes:
    """The row as if none of the source's records had been applied: the next of its user is, whatever its offset."""
    return row[:_LAST_OFFSET_AT] + struct.pack("<q", -1) + row[_LAST_OFFSET_AT + 8 :]


class RowLayout:
    """Packed little-endian rows of `size` bytes: the header, then the declared fields in their order."""

    FORMAT = 1

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
        rows["format"] = self.FORMAT
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
            raise RowFormatError(
                f"rows of {sorted(lengths - {self.size})} bytes where the model's rows take {self.size}: "
                "they were written with other model settings; start with those settings, or under a new "
                "kafka.group_id to begin with empty rows"
            )
        rows = np.frombuffer(bytearray().join(filled), dtype=self.dtype)  # [U]
        if not (rows["format"] == self.FORMAT).all():
            formats = sorted(set(rows["format"].tolist()) - {self.FORMAT})
            raise RowFormatError(
                f"rows of format {formats}, this program reads format {self.FORMAT}: start the release that wrote them"
            )
        return rows

    def pack(self, rows: NDArray[np.void]) -> list[bytes]:
        """Each row's bytes, in order. Raises RowFormatError for rows of another dtype."""
        if rows.dtype != self.dtype:
            raise RowFormatError(f"rows of dtype {rows.dtype} cannot be packed as {self.dtype}: a program error")
        size = self.size
        packed = rows.tobytes()
        return [packed[start : start + size] for start in range(0, len(packed), size)]

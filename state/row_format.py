"""The format of a row of user state: the header that every row begins with, then the fields that the model declares.

What reads a few rows does so here; rows.py has many of them as one numpy array, which takes long to import.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from math import prod
from typing import Any, Final

from state.errors import RowFormatError
from state.event_hash import CHAIN_BYTES

Field = tuple[str, str, tuple[int, ...]]
"""Name, numpy dtype string, shape of one row's value."""

FORMAT: Final = 1
HEADER: Final[tuple[Field, ...]] = (
    ("format", "<u2", ()),
    ("count", "<u8", ()),  # events applied
    ("last_offset", "<i8", ()),  # offset of the last applied record in its source partition; -1 before the first
    ("chain", "|u1", (CHAIN_BYTES,)),  # hash chain over the applied events' ids (event_hash.py)
)
_LAST_OFFSET_AT: Final = struct.calcsize("<HQ")  # behind format and count
_STRUCT_CODES: Final = {
    "?": "?",
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "i8": "q",
    "u8": "Q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}
"""Of numpy's dtype strings, without their byte order"""


def without_offset(row: bytes) -> bytes:
    """The row as if none of the source's records had been applied: the next of its user is, whatever its offset."""
    return row[:_LAST_OFFSET_AT] + struct.pack("<q", -1) + row[_LAST_OFFSET_AT + 8 :]


def size_error(sizes: Collection[int], expected: int) -> RowFormatError:
    """The error of rows of these sizes, in bytes."""
    return RowFormatError(
        f"rows of {sorted(sizes)} bytes where the model's rows take {expected}: they were written with other model "
        "settings; start with those settings, or under a new kafka.group_id to begin with empty rows"
    )


def format_error(formats: Collection[int]) -> RowFormatError:
    """The error of rows of these formats."""
    return RowFormatError(
        f"rows of format {sorted(formats)}, this program reads format {FORMAT}: start the release that wrote them"
    )


class RowFormat:
    """Offset and type of each field of rows of `size` bytes, packed, little-endian."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.size = 0
        self._fields: dict[str, tuple[int, struct.Struct, bool]] = {}  # offset, values, whether they are one number
        for name, kind, shape in (*HEADER, *fields):
            values = struct.Struct(f"<{prod(shape)}{_STRUCT_CODES[kind.lstrip('<>|=')]}")
            self._fields[name] = self.size, values, not shape
            self.size += values.size

    def read(self, row: bytes, *names: str) -> dict[str, Any]:
        """The values of these fields: a number, or a flat tuple where the field has a shape.

        Raises RowFormatError for a row of another size or format.
        """
        if len(row) != self.size:
            raise size_error([len(row)], self.size)
        if (row_format := self._value(row, "format")) != FORMAT:
            raise format_error([row_format])
        return {name: self._value(row, name) for name in names}

    def _value(self, row: bytes, name: str) -> Any:
        offset, values, is_number = self._fields[name]
        unpacked = values.unpack_from(row, offset)
        return unpacked[0] if is_number else unpacked

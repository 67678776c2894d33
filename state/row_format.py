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

FORMAT: Final = 2
"""Of every row that is written. Rows of format 1 are read as well: stores and changelogs keep them until they change"""
HEADER: Final[tuple[Field, ...]] = (
    ("format", "<u2", ()),
    ("count", "<u8", ()),  # events applied
    ("last_offset", "<i8", ()),  # offset of the last applied record in its source partition; -1 before the first
    ("chain", "|u1", (CHAIN_BYTES,)),  # hash chain over the applied events' ids (event_hash.py)
    ("new_steps", "<u4", ()),  # since format 2: events that the step which wrote the row applied to it
    ("lineage", "<u4", ()),  # since format 2: of the weights that computed `h`, `c` (network/weights.py); 0: not known
)
_LAST_OFFSET_AT: Final = struct.calcsize("<HQ")  # behind format and count
_HEADER_1_BYTES: Final = struct.calcsize(f"<HQq{CHAIN_BYTES}s")
ADDED_BYTES: Final = struct.calcsize("<II")
"""By which format 2 is longer: new_steps and lineage"""
_HEADER_BYTES: Final = _HEADER_1_BYTES + ADDED_BYTES
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


def row_format_of(row: bytes) -> int:
    """The row's format, with which it begins."""
    return int.from_bytes(row[:2], "little")


def upgrade(row: bytes) -> bytes:
    """The row of format 1 in format 2: no new events, lineage not known."""
    return struct.pack("<H", FORMAT) + row[2:_HEADER_1_BYTES] + bytes(ADDED_BYTES) + row[_HEADER_1_BYTES:]


def header(row: bytes) -> bytes:
    """The first bytes of a row of either format, whatever fields follow: a row without fields."""
    return row[:_HEADER_1_BYTES] if row_format_of(row) == 1 else row[:_HEADER_BYTES]


def without_offset(row: bytes) -> bytes:
    """The row, in the newest format, as if none of the source's records had been applied.

    The next record of its user is applied, whatever its offset. The row has no new events: it repeats one that had.
    """
    row = upgrade(row) if row_format_of(row) == 1 else row
    chain = row[_LAST_OFFSET_AT + 8 : _HEADER_1_BYTES]
    return row[:_LAST_OFFSET_AT] + struct.pack("<q", -1) + chain + bytes(4) + row[_HEADER_1_BYTES + 4 :]


def size_error(sizes: Collection[int], expected: int) -> RowFormatError:
    """The error of rows that are of these sizes in bytes, in the newest format."""
    return RowFormatError(
        f"rows of {sorted(sizes)} bytes where the model's rows take {expected}: they were written with other model "
        "settings; start with those settings, or under a new kafka.group_id to begin with empty rows"
    )


def format_error(formats: Collection[int]) -> RowFormatError:
    """The error of rows of these formats."""
    return RowFormatError(
        f"rows of format {sorted(formats)}, this program reads formats 1 and {FORMAT}: start the release that wrote "
        "them"
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

        A row of format 1 is read as its upgrade. Raises RowFormatError for a row of another size or format.
        """
        if row_format_of(row) == 1:
            row = upgrade(row)
        if len(row) != self.size:
            raise size_error([len(row)], self.size)
        if (row_format := row_format_of(row)) != FORMAT:
            raise format_error([row_format])
        return {name: self._value(row, name) for name in names}

    def _value(self, row: bytes, name: str) -> Any:
        offset, values, is_number = self._fields[name]
        unpacked = values.unpack_from(row, offset)
        return unpacked[0] if is_number else unpacked

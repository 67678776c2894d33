"""Keys of the view: one letter for the kind, then ids as UTF-8, in which the byte 0xFF never occurs, or numbers."""

from __future__ import annotations

import struct
from typing import Final

META: Final = b"M"
"""Counters, and what the view is of"""
OFFSET: Final = b"o"
TOPIC: Final = b"t"
USER: Final = b"u"
POINT: Final = b"p"
"""One of a user's newest predictions, in short"""
EVENTS: Final = b"e"
"""A user's newest events"""
ITEM: Final = b"i"
"""An item's title and categories"""
ITEM_MASS: Final = b"a"
CATEGORY_MASS: Final = b"c"
SNAPSHOT: Final = b"s"
RISK: Final = b"k"
"""A user's newest warning, of those who have not come back"""
SEGMENT: Final = b"g"
"""Users by segment"""
WORKER: Final = b"w"
"""A worker's newest record of quality"""
QUALITY: Final = b"q"
CALIBRATION: Final = b"b"
RELEASE: Final = b"r"
LETTER: Final = b"d"
REASON: Final = b"n"
"""Dead letters by reason"""

_END: Final = b"\xff"
_SLOT: Final = struct.Struct(">H")
_NUMBER: Final = struct.Struct(">Q")


def id_key(kind: bytes, id_: str) -> bytes:
    """The key of what there is one of by id."""
    return kind + id_.encode()


def id_of(key: bytes) -> str:
    """The id of a key of `id_key`."""
    return key[1:].decode()


def slots_of(kind: bytes, id_: str) -> bytes:
    """The beginning of the keys of an id's ring."""
    return kind + id_.encode() + _END


def slot_key(kind: bytes, id_: str, slot: int) -> bytes:
    """The key of one place in an id's ring."""
    return slots_of(kind, id_) + _SLOT.pack(slot)


def number_key(prefix: bytes, number: int) -> bytes:
    """A key in order of numbers, from 0 on."""
    return prefix + _NUMBER.pack(number)


def number_of(key: bytes) -> int:
    """The number at the end of a key of `number_key`."""
    return int(_NUMBER.unpack(key[-8:])[0])


def offset_key(topic: str, partition: int) -> bytes:
    """The key of a partition's next offset."""
    return OFFSET + topic.encode() + _END + partition.to_bytes(4, "big")


def partition_of_key(key: bytes) -> tuple[str, int]:
    """Topic and partition of a key of `offset_key`."""
    return key[1:-5].decode(), int.from_bytes(key[-4:], "big")

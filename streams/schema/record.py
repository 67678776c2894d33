"""The Kafka record that decoders and dead letters read, whatever client fetched it."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

NUMBER_BYTES: Final = (4, 8)
"""Lengths of the keys of IntegerSerializer and LongSerializer"""


class Record(Protocol):
    """The attributes of aiokafka's ConsumerRecord that the schema needs."""

    @property
    def topic(self) -> str:
        """Source topic."""

    @property
    def partition(self) -> int:
        """Source partition."""

    @property
    def offset(self) -> int:
        """Source offset."""

    @property
    def timestamp(self) -> int:
        """Record time, epoch ms."""

    @property
    def key(self) -> bytes | None:
        """Key as sent."""

    @property
    def value(self) -> bytes | None:
        """Value as sent; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers in their order; names may repeat."""


class UnkeyedRecord:
    """A record without its key, which in its topic says nothing of the user."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self, record: Record) -> None:
        self.topic = record.topic
        self.partition = record.partition
        self.offset = record.offset
        self.timestamp = record.timestamp
        self.key: bytes | None = None
        self.value = record.value
        self.headers = record.headers


def position(record: Record) -> str:
    """The record's position, as ids name it."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def key_id(key: bytes) -> str:
    """The id that a key holds, where nothing else names it: its text, the text that a JsonConverter wrote, or a number.

    A number is what LongSerializer and IntegerSerializer write: 8 or 4 bytes, most significant first, that are no
    printable text. Bytes of any other length that are no UTF-8 are replaced, so that such a key equals no id.
    """
    text = key.decode(errors="replace")
    if len(key) in NUMBER_BYTES and not (text.isprintable() and text.encode() == key):
        return _digits(key)
    if text[:1] not in ('"', "{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and "payload" in value and value.keys() <= {"schema", "payload"}:
        value = value["payload"]
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else text


def is_key_of(key: bytes | None, id_: str) -> bool:
    """Whether the key is this id: its text, what a JsonConverter makes of it, or the number that its digits spell.

    Here the bytes of a number may be printable too, as those beyond 2^56 can be: the id says which of both they are.
    """
    if key is None:
        return False
    return key == id_.encode() or (len(key) in NUMBER_BYTES and _digits(key) == id_) or key_id(key) == id_


def keys_of(id_: str) -> list[bytes]:
    """The keys by which the usual serializers send the id: as text, and as a number where it is one."""
    keys = [id_.encode()]
    for length in NUMBER_BYTES:
        with suppress(ValueError, OverflowError):
            keys.append(int(id_).to_bytes(length, "big", signed=True))
    return [key for key in keys if is_key_of(key, id_)]


def _digits(key: bytes) -> str:
    return str(int.from_bytes(key, "big", signed=True))

"""The Kafka record that decoders and dead letters read, whatever client fetched it."""

import json
from collections.abc import Sequence
from typing import Protocol


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


def position(record: Record) -> str:
    """The record's position, as ids name it."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def key_id(key: bytes) -> str:
    """The id that a key holds: its text, or that of the JSON string or Connect envelope that a JsonConverter wrote.

    Bytes that are no UTF-8 are replaced, so that such a key equals no id.
    """
    text = key.decode(errors="replace")
    if text[:1] not in ('"', "{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and "payload" in value and value.keys() <= {"schema", "payload"}:
        value = value["payload"]
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else text

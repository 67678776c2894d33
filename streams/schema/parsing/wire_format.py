"""Confluent's wire format: a zero byte, the id of a schema in a registry (4 bytes, big-endian), then what it wrote.

Keys and values come as that, each by itself. They are turned into the JSON that another producer would have sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from streams.errors import Rejected
from streams.schema.record import NUMBER_BYTES, Record

MAGIC: Final = b"\0"
HEADER_BYTES: Final = 5
_USER_FIELDS: Final = ("user_id", "userId")
_HINT: Final = "begins like Confluent's wire format; set registry.url to read it"
_parse: Final = msgspec.json.Decoder().decode


class Transcoder(Protocol):
    """Knows the schemas of a registry."""

    async def load(self, records: Iterable[Record]) -> None:
        """Fetches the schemas of keys and values that are not here yet. Raises RegistryError."""

    def to_json(self, framed: bytes) -> bytes:
        """The JSON text of a key or value whose schema is loaded. Raises Rejected."""


@dataclass(slots=True)
class PlainRecord:
    """A record with key and value as a producer of JSON would have sent them."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def is_framed(part: bytes | None) -> bool:
    """Whether a key or value begins like the wire format. JSON never does."""
    return part is not None and part[:1] == MAGIC


def wire_format_hint(part: bytes | None) -> str:
    """What to set for a key or value that looks like the wire format where it is not read; else empty."""
    return f"; it {_HINT}" if is_framed(part) else ""


def schema_id(framed: bytes) -> int:
    """The id that a framed key or value begins with. Raises Rejected."""
    if len(framed) < HEADER_BYTES:
        raise Rejected("schema_mismatch", f"begins with a zero byte, but has no schema id: {framed!r}")
    return int.from_bytes(framed[1:HEADER_BYTES])


def plain_record(record: Record, transcoder: Transcoder) -> PlainRecord:
    """The record without the wire format. Raises Rejected."""
    key, value = record.key, record.value
    if key is not None and key[:1] == MAGIC:
        try:
            key = _plain_key(transcoder.to_json(key))
        except Rejected:
            if len(key) not in NUMBER_BYTES:  # may be of LongSerializer or IntegerSerializer
                raise
    if value is not None and value[:1] == MAGIC:
        value = transcoder.to_json(value)
    return PlainRecord(record.topic, record.partition, record.offset, record.timestamp, key, value, record.headers)


def _plain_key(text: bytes) -> bytes:
    """The id in a key: its own, that of its only field, or that of its user_id; else the text."""
    try:
        value = _parse(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("schema_mismatch", f"the key is no JSON: {error}") from error
    if isinstance(value, dict):
        fields = list(value.values()) if len(value) == 1 else [value[name] for name in _USER_FIELDS if name in value]
        value = fields[0] if fields else value
    return str(value).encode() if isinstance(value, str | int) and not isinstance(value, bool) else text

"""Dead letters: records that could not be used, byte for byte as they came, with the reason in headers.

A dead letter must fit its topic, or one bad record would stop the stream: where it does not, its largest parts are
replaced by their SHA-256 and length.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from streams.errors import Rejected
from streams.schema.record import Record

PREFIX: Final = "interest.error."
MAX_BYTES: Final = (
    1_000_000  # Kafka's default max.message.bytes leaves 48 KB more, for the headers added here and framing
)
_MESSAGE_CHARACTERS: Final = 1000


class DeadLetter(NamedTuple):
    """A record as it is to be produced."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp_ms: int | None  # None where the record had none


def dead_letter(record: Record, reason: Rejected, app_version: str, max_bytes: int = MAX_BYTES) -> DeadLetter:
    """The record with key, value, headers and time as they came, and `interest.error.*` headers with the reason.

    Where key, value and headers together exceed `max_bytes`, `interest.error.replaced` names the parts replaced
    by {"sha256": …, "bytes": …}; that of the headers becomes the header `interest.error.headers`.
    """
    # A record that was sent in again after a first refusal carries the newest reason only.
    headers = [(name, text) for name, text in record.headers if not name.startswith(PREFIX)]
    parts = {"key": record.key, "value": record.value, "headers": _joined(headers)}
    sizes = {name: len(part or b"") for name, part in parts.items()}
    replaced = []
    for name in sorted(parts, key=lambda name: sizes[name], reverse=True):
        if sum(sizes.values()) <= max_bytes:
            break
        parts[name] = _digest(parts[name] or b"")
        sizes[name] = 0
        replaced.append(name)
    error_headers = {
        "reason": reason.code,
        "message": reason.message[:_MESSAGE_CHARACTERS],
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        "app_version": app_version,
    }
    if reason.events:
        error_headers["events"] = ",".join(map(str, reason.events))
    if replaced:
        error_headers["replaced"] = ",".join(replaced)
    if "headers" in replaced:
        headers = [(f"{PREFIX}headers", parts["headers"] or b"")]
    headers += [(PREFIX + name, text.encode(errors="backslashreplace")) for name, text in error_headers.items()]
    return DeadLetter(parts["key"], parts["value"], headers, record.timestamp if record.timestamp >= 0 else None)


def _joined(headers: Sequence[tuple[str, bytes]]) -> bytes:
    return b"\n".join(name.encode() + b": " + (text or b"") for name, text in headers)


def _digest(part: bytes) -> bytes:
    return orjson.dumps({"sha256": hashlib.sha256(part).hexdigest(), "bytes": len(part)})

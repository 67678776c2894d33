"""Adapters from every accepted form of a record to the canonical form.

Field names: snake_case or camelCase. Times: epoch ms, epoch s, ISO-8601. CloudEvents: the binary mode of its Kafka
protocol binding. Knows nothing of which fields an event has.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

import msgspec
from msgspec import Raw

from models.data.event_types import EVENT_TYPES
from streams.errors import Rejected, RejectionCode

MAX_DEPTH: Final = 64
TIME_LIMIT_MS: Final = 10**14
"""A time beyond (the year 5138) is refused: it is micro- or nanoseconds."""
SECONDS_BELOW: Final = 10**11
"""A smaller number is epoch seconds, a larger one epoch milliseconds (from 1973-03-03 on)."""
CONTROL_TYPES: Final = frozenset({"user.delete", "item.upsert", "item.delete"})

ALIASES: Final = {
    "schemaVersion": "schema_version",
    "eventId": "event_id",
    "eventType": "event_type",
    "userId": "user_id",
    "itemId": "item_id",
    "sentAt": "timestamp",
    "eventValue": "value",
    "sessionId": "session_id",
    "predictionId": "prediction_id",
    "recommendationId": "prediction_id",
}

_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_NULL: Final = b"null"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKET: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ISO_8601: Final = re.compile(r"\d{4}-\d\d-\d\d([Tt ]|$)|\d{8}[Tt ]", re.ASCII)
_SUPPORTED: Final = re.compile(r"1(\.\d+)*", re.ASCII)
_KNOWN_TYPES: Final = CONTROL_TYPES.union(EVENT_TYPES)


def canonical(value: bytes) -> dict[str, Raw]:
    """The record's fields under their canonical names, without nulls and schema version."""
    check_text(value)
    try:
        sent = _FIELDS.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise rejection(error) from None
    fields = {name: raw for name, raw in sent.items() if name not in ALIASES and bytes(raw) != _NULL}
    for alias, name in ALIASES.items():
        raw = sent.get(alias)
        if raw is None or bytes(raw) == _NULL:
            continue
        # A record may carry both times: sentAt is then when it left the device, which is not the event's time.
        if bytes(fields.setdefault(name, raw)) != bytes(raw) and name != "timestamp":
            raise Rejected("conflicting_fields", f"{alias} and {name} are both given and differ; send one of them")
    if "schema_version" in fields:
        version = str(plain(fields.pop("schema_version")))
        if not _SUPPORTED.fullmatch(version):
            raise Rejected(
                "unknown_schema_version", f"schema_version {version[:40]} is not known here, only 1 and 1.x are"
            )
    return fields


def add_cloud_event(fields: dict[str, Raw], headers: Sequence[tuple[str, bytes]], key: bytes | None) -> None:
    """Fill what the data of a CloudEvent leaves out: id, time and type from `ce_*` headers, user from the record's key.

    The binding's partition key is the record's key, and events are keyed by user; the subject may be anything.
    Producers qualify types (`com.example.click`): the last names count where they make a known type.
    """
    attributes = {name: raw for name, raw in headers if name.startswith("ce_") and raw is not None}
    if "ce_specversion" not in attributes:
        return
    from_headers: dict[str, str] = {}
    try:
        if raw := attributes.get("ce_id"):
            from_headers["event_id"] = raw.decode()
        if raw := attributes.get("ce_type"):
            from_headers["event_type"] = _unqualified(raw.decode())
        if raw := attributes.get("ce_time"):
            from_headers["timestamp"] = raw.decode()
        if key is not None:
            from_headers["user_id"] = key.decode()
    except UnicodeDecodeError as error:
        raise rejection(error) from None
    for name, text in from_headers.items():
        if name not in fields:
            fields[name] = Raw(msgspec.json.encode(text))


def time_ms(time: object) -> int:
    """Epoch ms of a timestamp in any accepted form."""
    if isinstance(time, str):
        result = _iso_ms(time)
    elif isinstance(time, bool) or not isinstance(time, int | float):
        raise Rejected("wrong_type", "timestamp: must be a number or an ISO-8601 string")
    elif -SECONDS_BELOW < time < SECONDS_BELOW:
        result = round(time * 1000)
    else:
        result = int(time)
    if not -TIME_LIMIT_MS < result < TIME_LIMIT_MS:
        raise Rejected("out_of_range", "timestamp: beyond the year 5138; send epoch milliseconds or seconds")
    return result


def _iso_ms(time: str) -> int:
    try:
        # fromisoformat alone would read the digits of an epoch as a date of the year 1731.
        date_time = datetime.fromisoformat(time.upper() if _ISO_8601.match(time) else "")
    except ValueError:
        raise Rejected("bad_timestamp", f"timestamp {time[:40]!r} is neither a number nor ISO-8601") from None
    return ((date_time if date_time.tzinfo else date_time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def check_text(value: bytes) -> None:
    """Refuse bytes that are not UTF-8, or that nest deeper than MAX_DEPTH (whatever the depth of our own stack)."""
    try:
        _ = value.isascii() or value.decode()
    except UnicodeDecodeError as error:
        raise rejection(error) from None
    if value.count(b"[") + value.count(b"{") > MAX_DEPTH:
        brackets = _STRING.sub(b"", value).translate(None, _NO_BRACKET)
        if max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0) > MAX_DEPTH:
            raise Rejected("nesting_too_deep", f"nested deeper than {MAX_DEPTH} levels")


def rejection(error: Exception) -> Rejected:
    """The rejection, with code and message, for an error of msgspec's decoder."""
    text, _, path = str(error).partition(" - at `$.")
    if isinstance(error, UnicodeDecodeError):
        return Rejected("not_utf8", str(error))
    if isinstance(error, RecursionError):
        return Rejected("nesting_too_deep", text)
    if not isinstance(error, msgspec.ValidationError):
        return Rejected("not_json", text)
    message = f"{path.rstrip('`')}: {text}" if path else text
    if not path and text.startswith("Expected `object`"):
        return Rejected("not_an_object", message)
    for sign, code in _CODES.items():
        if sign in text:
            return Rejected(code, message)
    return Rejected("out_of_range", message)


def plain(raw: Raw) -> object:
    """The JSON value as a Python object."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.MsgspecError as error:
        raise rejection(error) from None


def _unqualified(event_type: str) -> str:
    names = event_type.rsplit(".", 2)
    return next((last for last in (".".join(names[-2:]), names[-1]) if last in _KNOWN_TYPES), event_type)


_CODES: Final[dict[str, RejectionCode]] = {  # by what msgspec's message contains, first match
    "missing required field": "missing_field",
    "of length >=": "empty_field",
    "of length <=": "field_too_large",
    ", got": "wrong_type",
}

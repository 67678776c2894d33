"""Canonical fields to typed events, by one set of rules for every format.

A field that an event needs is checked and its fault named; an optional one that cannot be used is dropped, for it
must not cost the event. Ids may be whole numbers.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from streams.errors import Rejected
from streams.schema.decoding_notes import FUTURE, NOT_SET, DecodingNotes
from streams.schema.events import (
    ITEM_EVENTS,
    MAX_CATEGORIES,
    MAX_FEATURES,
    MAX_ID_LENGTH,
    MAX_IMPRESSION,
    MAX_LANG_LENGTH,
    MAX_NUMBER,
    MAX_NUMBER_NAME,
    MAX_NUMBERS,
    MAX_TEXT_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TYPE_LENGTH,
    Event,
    ItemDelete,
    ItemUpsert,
    UserDelete,
    UserEvent,
    UserUpsert,
)
from streams.schema.parsing.event_types import UNKNOWN_ERASURE, EventTypeNames, unknown_erasure
from streams.schema.parsing.field_map import MissingField
from streams.schema.parsing.times import time_ms
from streams.schema.parsing.wire_format import wire_format_hint
from streams.schema.record import Record, is_key_of
from streams.settings.sections import ERASURE_TYPE, IGNORED_TYPE

MAX_FUTURE_MS: Final = 24 * 3600 * 1000
_SUPPORTED: Final = re.compile(r"1(\.\d+)*", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_MAX_INTEGER_ID: Final = 10**40
_INGEST_HINT: Final = "; `interest-stream ingest` reads a topic that is keyed otherwise"


def typed_event(
    fields: Mapping[str, Any],
    record: Record,
    event_position: str,
    names: EventTypeNames,
    check_key: bool = True,
    notes: DecodingNotes | None = None,
) -> Event | None:
    """The event that canonical fields describe; None where `[events.types]` leaves it out. Raises Rejected.

    `event_position` stands in for an event_id that is not given. `check_key`: the record's key must be the user.
    `notes` gets what was replaced.
    """
    _check_version(fields)
    name = _identifier(fields, "event_type", MAX_TYPE_LENGTH)
    event_type = names[name]
    if event_type == IGNORED_TYPE:
        return None
    if event_type == UNKNOWN_ERASURE:
        raise Rejected("unknown_erasure", unknown_erasure(name))
    if event_type == "item.upsert":
        return item_upsert(fields)
    if event_type == "item.delete":
        return ItemDelete(_identifier(fields, "item_id"))
    user_id = _identifier(fields, "user_id")
    event_id = _optional_id(fields.get("event_id")) or event_position
    if event_type == ERASURE_TYPE:
        _check_user(user_id, record, check_key)
        return UserDelete(user_id, ERASURE_TYPE, _control_time_ms(fields, record), event_id)
    if event_type == "user.upsert":
        _check_user(user_id, record, check_key)
        features, numbers = _numbers(fields.get("features")), _named_numbers(fields.get("numbers"))
        return UserUpsert(user_id, "user.upsert", features, numbers, _control_time_ms(fields, record), event_id)
    item_id = fields.get("item_id")
    if item_id is not None and (item_id != "" or event_type in ITEM_EVENTS):
        item_id = _identifier(fields, "item_id")
    elif event_type in ITEM_EVENTS:
        raise MissingField("item_id", f"a {event_type} needs an item_id")
    event = UserEvent(
        user_id,
        event_type,
        _event_time_ms(fields, record, notes),
        item_id or None,
        event_id=event_id,
        value=_number(fields.get("value")),
        text=_text(fields.get("text"), MAX_TEXT_LENGTH),
        session_id=_optional_id(fields.get("session_id")),
        lang=_short(fields.get("lang")),
        prediction_id=_optional_id(fields.get("prediction_id")),
        decision_id=_optional_id(fields.get("decision_id")),
        impression=_ids(fields.get("impression"), MAX_IMPRESSION),
        properties=_object(fields.get("properties")),
    )
    _check_user(user_id, record, check_key)
    return event


def encode_shared_properties(canonical: Sequence[Mapping[str, Any] | Rejected], most_bytes: int) -> None:
    """Encodes, in place, the properties that several events of a record share: once, as Raw.

    They are left out where all copies of them together would be longer than `most_bytes`: an order of thousands of
    products would else become as many events as long as itself.
    """
    sharing: dict[int, list[Any]] = {}
    for fields in canonical:
        if not isinstance(fields, Rejected) and isinstance(fields.get("properties"), dict):
            sharing.setdefault(id(fields["properties"]), []).append(fields)
    for events in sharing.values():
        if len(events) > 1:
            properties = _object(events[0]["properties"])
            keep = properties is UNSET or len(bytes(properties)) * len(events) <= most_bytes
            for fields in events:
                fields["properties"] = properties if keep else None


def item_upsert(fields: Mapping[str, Any]) -> ItemUpsert:
    """The description of an item."""
    _check_version(fields)
    categories = fields.get("categories")
    return ItemUpsert(
        item_id=_identifier(fields, "item_id"),
        title=_text(fields.get("title"), MAX_TITLE_LENGTH) or "",
        text=_text(fields.get("text"), MAX_TEXT_LENGTH) or "",
        categories=_ids([categories] if isinstance(categories, str) else categories, MAX_CATEGORIES),
        features=_numbers(fields.get("features")),
        numbers=_named_numbers(fields.get("numbers")),
        protected=fields.get("protected") is True,
    )


def _check_version(fields: Mapping[str, Any]) -> None:
    version = fields.get("schema_version")
    if version is not None and not _SUPPORTED.fullmatch(str(version)[:40]):
        raise Rejected(
            "unknown_schema_version", f"schema_version {str(version)[:40]} is not known here, only 1 and 1.x are"
        )


def _check_user(user_id: str, record: Record, check_key: bool) -> None:
    key = record.key
    if check_key and key is None:
        raise Rejected(
            "missing_key", f"events are keyed by user_id, so that a user's lie in one partition{_INGEST_HINT}"
        )
    if check_key and not is_key_of(key, user_id):
        hint = wire_format_hint(key) or _INGEST_HINT
        raise Rejected("key_mismatch", f"the key is {(key or b'')[:40]!r}, but user_id is {user_id[:40]!r}{hint}")
    if user_id[0] == "\0":
        raise Rejected("reserved_id", "a user_id must not begin with U+0000")


def _identifier(fields: Mapping[str, Any], name: str, most: int = MAX_ID_LENGTH) -> str:
    value = fields.get(name)
    if value is None:
        raise MissingField(name, f"{name} is missing")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER_ID:
        return str(value)
    if not isinstance(value, str):
        kind = "an object or array" if isinstance(value, dict | list) else repr(value)[:40]
        raise Rejected("wrong_type", f"{name}: must be a string or a whole number, not {kind}")
    if not value:
        raise Rejected("empty_field", f"{name}: is empty")
    if len(value) > most:
        raise Rejected("field_too_large", f"{name}: {len(value)} characters; at most {most} are accepted")
    return value


def _event_time_ms(fields: Mapping[str, Any], record: Record, notes: DecodingNotes | None = None) -> int:
    given = fields.get("timestamp")
    if given is None:
        raise MissingField("timestamp", "timestamp is missing")
    time = time_ms(given)
    if record.timestamp <= 0:
        if time is None:
            raise Rejected("bad_timestamp", "timestamp: 0001-01-01 means that none was set, and the record has none")
        return time
    if time is not None and time <= record.timestamp + MAX_FUTURE_MS:
        return time
    if notes is not None:
        notes.add_replaced_time(NOT_SET if time is None else FUTURE, record)
    return record.timestamp  # not the clock's: a replay must give the same event


def _control_time_ms(fields: Mapping[str, Any], record: Record) -> int:
    try:
        return _event_time_ms(fields, record)
    except Rejected:  # a control record must not fail for want of a time
        return record.timestamp


def _optional_id(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER_ID:
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH else None


def _ids(values: object, most: int) -> tuple[str, ...]:
    if not isinstance(values, list):
        return ()
    return tuple(text for value in values if (text := _optional_id(value)) is not None)[:most]


def _number(value: object) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        return None
    return float(value)


def _numbers(values: object) -> tuple[float, ...]:
    """All of them or none: a vector lacks its meaning without one of its numbers."""
    if not isinstance(values, list) or len(values) > MAX_FEATURES:
        return ()
    numbers = [_number(value) for value in values]
    return () if None in numbers else tuple(number for number in numbers if number is not None)


def _named_numbers(values: object) -> dict[str, float]:
    """Those that are numbers, whichever others are not."""
    if not isinstance(values, dict):
        return {}
    named = ((name, _number(value)) for name, value in values.items() if 0 < len(name) <= MAX_NUMBER_NAME)
    return dict(islice(((name, number) for name, number in named if number is not None), MAX_NUMBERS))


def _text(value: object, most: int) -> str | None:
    return value[:most] if isinstance(value, str) else None


def _short(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_LANG_LENGTH else None


def _object(value: object) -> Any:
    if isinstance(value, Raw):
        return value
    return Raw(msgspec.json.encode(value)) if isinstance(value, dict) and value else UNSET

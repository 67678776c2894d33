"""Records of user-events as producers may write them, and what becomes of them."""

import json
from typing import Any

from streams.errors import Rejected
from streams.schema.decoder import BUILT_IN_RULES, SchemaRules, decode
from streams.schema.events import Event, UserEvent
from streams.schema.record import Record
from tests.records import RECORD_MS, consumer_record

NOW = RECORD_MS
CLICK = {"event_id": "e1", "event_type": "click", "user_id": "u1", "item_id": "i9", "timestamp": 1_731_900_000_123}


def record(value: dict[str, Any] | list[Any] | bytes | None, *parts: Any, **named_parts: Any) -> Record:
    """A record of user-events; a dict or list is sent as JSON."""
    if isinstance(value, dict | list):
        value = json.dumps(value).encode()  # other than orjson, it writes what is no JSON too
    return consumer_record(value, *parts, **named_parts)


def events_of(
    value: dict[str, Any] | list[Any] | bytes, rules: SchemaRules = BUILT_IN_RULES, **parts: Any
) -> list[Event]:
    """The events of a record of which every event can be used; without those that are left out."""
    events, rejected = decode(record(value, **parts), rules=rules)
    assert rejected is None, rejected
    return [event for event in events if event is not None]


def user_events(value: dict[str, Any] | list[Any] | bytes, **parts: Any) -> list[UserEvent]:
    events = events_of(value, **parts)
    assert all(isinstance(event, UserEvent) for event in events)
    return [event for event in events if isinstance(event, UserEvent)]


def user_event(value: dict[str, Any] | bytes, **parts: Any) -> UserEvent:
    (event,) = user_events(value, **parts)
    return event


def rejection(value: dict[str, Any] | list[Any] | bytes | None, **parts: Any) -> Rejected:
    """Why no event of a record can be used."""
    events, rejected = decode(record(value, **parts))
    assert rejected is not None
    assert not any(events)
    return rejected

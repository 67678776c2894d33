"""The canonical form (`user-event` in JSON Schema), in snake_case or camelCase.

The latter is that of an event of Amazon Personalize, whose `properties` are a JSON string.
"""

from typing import Any, Final

from streams.errors import Rejected
from streams.schema.adapters.adapter import Adapter, Canonical, Fields, Headers
from streams.schema.adapters.amplitude import is_amplitude
from streams.schema.parsing.json_text import parse_nested
from streams.schema.record import Record

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
    "decisionId": "decision_id",
}
_IDENTIFYING: Final = ("user_id", "item_id", "event_type")


def _matches(fields: Fields, headers: Headers) -> bool:
    return ("event_type" in fields or "eventType" in fields) and not is_amplitude(fields)


def events(fields: Fields, record: Record) -> list[Canonical]:
    """The object's own fields under their canonical names."""
    event: Canonical = dict(fields)
    for alias, name in ALIASES.items():
        value = event.pop(alias, None)
        if value is None:
            continue
        if event.get(name) is None:
            event[name] = value
        # Beside a timestamp, sentAt is when the event left the device; other fields are optional.
        elif event[name] != value and name in _IDENTIFYING:
            raise Rejected("conflicting_fields", f"{alias} and {name} are both given and differ; send one of them")
    properties: Any = event.get("properties")
    if isinstance(properties, str):
        event["properties"] = parse_nested(properties)
    return [event]


ADAPTER: Final = Adapter("canonical", _matches, events, may_control=True)

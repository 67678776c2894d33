"""Google Analytics 4: a row of its BigQuery export as JSON ("[GA4] BigQuery Export schema").

An event once for each of its `items`; `page_view` and `screen_view` without items are views of the page or screen.
"""

from typing import Any, Final

from streams.schema.adapters.adapter import (
    Adapter,
    Canonical,
    Fields,
    Headers,
    as_object,
    as_objects,
    first,
    page_of,
    per_product,
    user_of,
)
from streams.schema.record import Record

_VALUES: Final = ("string_value", "int_value", "double_value", "float_value")


def _matches(fields: Fields, headers: Headers) -> bool:
    return "event_name" in fields and "event_timestamp" in fields


def _events(fields: Fields, record: Record) -> list[Canonical]:
    name, parameters = fields["event_name"], _parameters(fields.get("event_params"))
    event: Canonical = {
        "user_id": user_of(record, fields.get("user_id"), fields.get("user_pseudo_id")),
        "event_type": name,
        "timestamp": fields["event_timestamp"],
        "session_id": parameters.get("ga_session_id"),
        "item_id": first(parameters, "item_id", "content_id"),
        "value": first(parameters, "value"),
        "text": first(parameters, "search_term"),
        "properties": parameters,
    }
    if event["item_id"] is None and name == "page_view":
        event["item_id"] = page_of(parameters.get("page_location"))
    elif event["item_id"] is None and name == "screen_view":
        event["item_id"] = first(parameters, "firebase_screen", "firebase_screen_class")
    return per_product(event, fields.get("items"))


def _parameters(entries: object) -> dict[str, Any]:
    return {
        key: first(as_object(entry.get("value")), *_VALUES)
        for entry in as_objects(entries)
        if isinstance(key := entry.get("key"), str)
    }


ADAPTER: Final = Adapter("GA4 BigQuery export", _matches, _events)

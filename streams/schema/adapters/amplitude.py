"""Amplitude ("HTTP V2 API", "Export API"): an event, or an upload of several, whose own fields are `event_properties`.

A page view is a view of the product, else of the page. Identify calls say nothing of interest and are left out.
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
    from_properties,
    per_product,
    record_time,
    user_of,
)
from streams.schema.record import Record

_NO_EVENTS: Final = frozenset({"$identify", "$groupidentify"})
_PAGE_VIEW: Final = "[Amplitude] Page Viewed"
_NO_SESSION: Final = -1


def is_amplitude(fields: Fields) -> bool:
    """Whether the object is of Amplitude. Its event type is named as that of a canonical event."""
    return "event_properties" in fields and "event_type" in fields


def _matches(fields: Fields, headers: Headers) -> bool:
    return is_amplitude(fields) or ("api_key" in fields and isinstance(fields.get("events"), list))


def _events(fields: Fields, record: Record) -> list[Canonical]:
    uploaded = [fields] if is_amplitude(fields) else as_objects(fields.get("events"))
    return [event for one in uploaded for event in _of_one(one, record)]


def _of_one(fields: Fields, record: Record) -> list[Canonical]:
    name, properties = fields.get("event_type"), as_object(fields.get("event_properties"))
    if isinstance(name, str) and name in _NO_EVENTS:
        return []
    session: Any = fields.get("session_id")
    event: Canonical = {
        "user_id": user_of(record, fields.get("user_id"), fields.get("device_id")),
        "event_type": name,
        "event_id": first(fields, "insert_id", "$insert_id", "uuid"),
        "timestamp": first(fields, "time", "event_time", "client_event_time") or record_time(record),
        "session_id": None if session == _NO_SESSION else session,
        **from_properties(properties),
    }
    event["item_id"] = event["item_id"] or first(fields, "productId", "product_id")
    if event["value"] is None:
        event["value"] = first(fields, "price", "revenue")
    if event["item_id"] is None and name == _PAGE_VIEW:
        event["item_id"] = first(properties, "[Amplitude] Page Path")
    return per_product(event, properties.get("products"))


ADAPTER: Final = Adapter("Amplitude", _matches, _events, kind_field="event_type")

"""PostHog ("Capture and batch API endpoints"), also as exported, where `properties` are a JSON string.

Browsers send id and time of an event in `properties`, as `$insert_id` and `$time`.

A batch is one record of several events. `$pageview` and `$screen` are views of the product, else of the page or
screen. Events that describe users (`$identify`, `$set` and the like) are left out.
"""

from typing import Final

from streams.schema.adapters.adapter import (
    Adapter,
    Canonical,
    Fields,
    Headers,
    as_object,
    as_objects,
    first,
    from_properties,
    page_of,
    per_product,
    record_time,
)
from streams.schema.adapters.mixpanel import is_mixpanel
from streams.schema.parsing.json_text import parse_nested
from streams.schema.record import Record

_NO_EVENTS: Final = frozenset({"$identify", "$create_alias", "$set", "$groupidentify"})


def _matches(fields: Fields, headers: Headers) -> bool:
    if "batch" in fields and "api_key" in fields:
        return True
    if "event" not in fields:
        return False
    return "distinct_id" in fields or ("distinct_id" in as_object(fields.get("properties")) and not is_mixpanel(fields))


def _events(fields: Fields, record: Record) -> list[Canonical]:
    captured = as_objects(fields["batch"]) if "batch" in fields else [fields]
    return [event for capture in captured for event in _captured(capture, record)]


def _captured(fields: Fields, record: Record) -> list[Canonical]:
    name = fields.get("event")
    if isinstance(name, str) and name in _NO_EVENTS:
        return []
    properties = as_object(parse_nested(fields.get("properties")))
    event: Canonical = {
        "user_id": first(fields, "distinct_id") or first(properties, "distinct_id"),
        "event_type": name,
        "event_id": first(fields, "uuid") or first(properties, "$insert_id"),
        "timestamp": first(fields, "timestamp")
        or first(properties, "$time")
        or first(fields, "sent_at")
        or record_time(record),
        "session_id": properties.get("$session_id"),
        **from_properties(properties),
    }
    if event["item_id"] is None and name == "$pageview":
        event["item_id"] = first(properties, "$pathname") or page_of(properties.get("$current_url"))
    elif event["item_id"] is None and name == "$screen":
        event["item_id"] = first(properties, "$screen_name")
    return per_product(event, properties.get("products"))


ADAPTER: Final = Adapter("PostHog", _matches, _events)

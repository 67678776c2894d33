"""Mixpanel ("Track Events", "Event Export API"): an object, or an array of objects, with everything in `properties`.

A web page view is a view of the product, else of the page. Calls that join or describe users are left out.
"""

from typing import Final

from streams.schema.adapters.adapter import (
    Adapter,
    Canonical,
    Fields,
    Headers,
    as_object,
    first,
    from_properties,
    page_of,
    per_product,
    user_of,
)
from streams.schema.record import Record

_PAGE_VIEW: Final = "$mp_web_page_view"
_NO_EVENTS: Final = frozenset({"$identify", "$create_alias", "$merge"})
_USERS: Final = ("distinct_id", "$user_id", "$device_id")


def is_mixpanel(fields: Fields) -> bool:
    """Whether the object is of Mixpanel. PostHog's, which are alike, have their time or their id outside."""
    properties = fields.get("properties")
    return (
        isinstance(properties, dict)
        and "event" in fields
        and "time" in properties
        and any(name in properties for name in _USERS)
        and not any(name in fields for name in ("distinct_id", "timestamp", "uuid"))
    )


def _matches(fields: Fields, headers: Headers) -> bool:
    return is_mixpanel(fields)


def _events(fields: Fields, record: Record) -> list[Canonical]:
    name, properties = fields.get("event"), as_object(fields.get("properties"))
    if isinstance(name, str) and name in _NO_EVENTS:
        return []
    event: Canonical = {
        "user_id": user_of(record, *(properties.get(name) for name in _USERS)),
        "event_type": name,
        "event_id": first(properties, "$insert_id"),
        "timestamp": properties.get("time"),
        **from_properties(properties),
    }
    if event["item_id"] is None and name == _PAGE_VIEW:
        event["item_id"] = first(properties, "current_url_path") or page_of(properties.get("$current_url"))
    return per_product(event, properties.get("products"))


ADAPTER: Final = Adapter("Mixpanel", _matches, _events)

"""Segment and RudderStack ("Segment Spec", "Spec: V2 Ecommerce Events", "RudderStack event spec").

A track call is an event of its name, once for each of its `products`; a page or screen call is a view of the product
or the page. Identify, group and alias calls say nothing of interest and are left out.
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
    record_time,
    user_of,
)
from streams.schema.record import Record

_CALLS: Final = frozenset({"track", "page", "screen", "identify", "group", "alias"})


def _matches(fields: Fields, headers: Headers) -> bool:
    call = fields.get("type")
    return isinstance(call, str) and call in _CALLS and any(n in fields for n in ("userId", "anonymousId", "messageId"))


def _events(fields: Fields, record: Record) -> list[Canonical]:
    call = fields["type"]
    if call not in ("track", "page", "screen"):
        return []
    properties, context = as_object(fields.get("properties")), as_object(fields.get("context"))
    event: Canonical = {
        "user_id": user_of(record, fields.get("userId"), fields.get("anonymousId")),
        "event_type": fields.get("event") if call == "track" else call,
        "event_id": fields.get("messageId"),
        "timestamp": first(fields, "timestamp", "originalTimestamp", "sentAt", "receivedAt") or record_time(record),
        "session_id": first(context, "sessionId") or first(properties, "session_id"),
        **from_properties(properties),
    }
    if call != "track" and event["item_id"] is None:
        page = first(properties, "path") or page_of(properties.get("url"))
        event["item_id"] = page if call == "page" else first(properties, "name") or fields.get("name")
    return per_product(event, properties.get("products"))


ADAPTER: Final = Adapter("Segment", _matches, _events, kind_field="type")

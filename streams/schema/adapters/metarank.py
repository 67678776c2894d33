"""Metarank ("Event format"): an interaction is an event, a ranking is an impression of its items, an item describes it.

Events of the kind `user` describe a user and are left out.
"""

from typing import Any, Final

from streams.schema.adapters.adapter import Adapter, Canonical, Fields, Headers, as_objects, first, per_product
from streams.schema.record import Record

_KINDS: Final = frozenset({"interaction", "ranking", "item", "user"})
_TITLES: Final = ("title", "name")
_TEXTS: Final = ("description", "text", "summary")
_CATEGORIES: Final = ("categories", "category", "genres", "genre", "tags")


def _matches(fields: Fields, headers: Headers) -> bool:
    kind = fields.get("event")
    return isinstance(kind, str) and kind in _KINDS and ("fields" in fields or "item" in fields or "items" in fields)


def _events(fields: Fields, record: Record) -> list[Canonical]:
    kind = fields["event"]
    if kind == "item":
        return [_item(fields)]
    if kind == "user":
        return []
    event: Canonical = {
        "user_id": first(fields, "user", "session"),
        "session_id": fields.get("session"),
        "event_id": fields.get("id"),
        "timestamp": fields.get("timestamp"),
    }
    if kind == "ranking":
        return per_product(event | {"event_type": "impression"}, fields.get("items"))
    return [event | {"event_type": fields.get("type"), "item_id": fields.get("item")}]


def _item(fields: Fields) -> Canonical:
    features: dict[str, Any] = {
        name: feature.get("value")
        for feature in as_objects(fields.get("fields"))
        if isinstance(name := feature.get("name"), str)
    }
    return {
        "event_type": "item.upsert",
        "item_id": fields.get("item"),
        "title": first(features, *_TITLES),
        "text": first(features, *_TEXTS),
        "categories": first(features, *_CATEGORIES),
    }


ADAPTER: Final = Adapter("Metarank", _matches, _events, may_control=True)

"""The interface of an adapter, and what several adapters need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from streams.schema.parsing.event_types import BUILT_IN_NAMES
from streams.schema.record import Record, is_key_of

Fields = Mapping[str, Any]
"""A JSON object."""
Canonical = dict[str, Any]
"""Fields under the names of `UserEvent`, `UserDelete` or `ItemUpsert`, values as they were sent; None is not given."""
Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Adapter:
    """One format. Both functions are total: whatever JSON object they are given, they return or raise Rejected."""

    name: str
    matches: Callable[[Fields, Headers], bool]
    """Whether an object, with the headers of its record, is of this format."""
    events: Callable[[Fields, Record], list[Canonical]]
    """The events that the object holds, in order; none where it is of a kind that says nothing of interest."""
    may_control: bool = False
    """Whether its events may be control records. Not where any browser gives events their names."""
    kind_field: str = "event"
    """The field that says of what kind an object without events is"""


PROPERTY_IDS: Final = ("product_id", "productId", "item_id", "itemId", "sku")
_PRODUCT_IDS: Final = (*PROPERTY_IDS, "id")
PRODUCT_VALUES: Final = ("price", "value", "revenue", "total")
PROPERTY_VALUES: Final = ("rating", *PRODUCT_VALUES)


def first(fields: Fields, *names: str) -> Any:
    """The first of the fields that is given (neither null nor empty)."""
    return next((value for name in names if (value := fields.get(name)) is not None and value != ""), None)


def as_object(value: object) -> Fields:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Fields]:
    """The JSON objects of a list."""
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def from_properties(properties: Fields) -> Canonical:
    """What the properties of an event say of it, under Segment's names, which other platforms have, too."""
    return {
        "item_id": first(properties, *PROPERTY_IDS),
        "value": first(properties, *PROPERTY_VALUES),
        "text": first(properties, "query", "review_body"),
        "properties": properties,
    }


def user_of(record: Record, *candidates: object) -> Any:
    """The user's id of several (account, device): the one that is the record's key, else the first that is given."""
    given = [candidate for candidate in candidates if candidate is not None and candidate != ""]
    if record.key is not None and len(given) > 1:
        given.sort(key=lambda candidate: not is_key_of(record.key, str(candidate)))  # stable: the key goes first
    return given[0] if given else None


def record_time(record: Record) -> int | None:
    """The record's time, for formats whose own is optional."""
    return record.timestamp if record.timestamp > 0 else None


def per_product(event: Canonical, products: object) -> list[Canonical]:
    """The event once for each product; a list that was only shown is one event, with the list as its impression."""
    shown = as_objects(products)
    if not shown:
        return [event]
    items = [first(product, *_PRODUCT_IDS) for product in shown]
    event_type = event.get("event_type")
    if isinstance(event_type, str) and BUILT_IN_NAMES[event_type] == "impression":
        return [event | {"item_id": next(filter(None, items), None), "impression": items}]
    return [
        event | {"item_id": item, "value": first(product, *PRODUCT_VALUES)}
        for product, item in zip(shown, items, strict=True)
    ]


def page_of(url: object) -> Any:
    """The path of a page's URL, by which it is an item: without host, query and fragment."""
    if not isinstance(url, str):
        return None
    try:
        return urlsplit(url).path or None
    except ValueError:
        return None

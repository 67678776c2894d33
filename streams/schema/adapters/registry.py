"""Which adapter reads a record."""

from typing import Any, Final

from streams.errors import Rejected
from streams.schema.adapters import (
    canonical,
    cloud_events,
    ga4,
    gorse,
    metarank,
    personalize,
    posthog,
    segment,
    snowplow,
)
from streams.schema.adapters.adapter import Adapter, Canonical, Fields
from streams.schema.field_map import FieldMap
from streams.schema.record import Record

ADAPTERS: Final = (
    cloud_events.ADAPTER,
    canonical.ADAPTER,
    personalize.ADAPTER,
    metarank.ADAPTER,
    segment.ADAPTER,
    posthog.ADAPTER,
    ga4.ADAPTER,
    snowplow.ADAPTER,
    gorse.ADAPTER,
)
"""In the order in which they are asked; an object that none of them knows is read as canonical."""


def adapter_of(fields: Fields, record: Record) -> Adapter:
    """The adapter of the object's format."""
    return next((adapter for adapter in ADAPTERS if adapter.matches(fields, record.headers)), canonical.ADAPTER)


def canonical_events(value: object, record: Record, field_map: FieldMap | None = None) -> list[Canonical | Rejected]:
    """The canonical fields of each event in a record's JSON value, or why an element of it is none. Raises Rejected."""
    sources = value if isinstance(value, list) else [value]
    if not sources:
        raise Rejected("not_an_object", "the array is empty")
    events: list[Canonical | Rejected] = []
    for source in sources:
        try:
            events += _events_of(source, record, field_map)
        except Rejected as error:
            events.append(error)
    return events


def _events_of(source: Any, record: Record, field_map: FieldMap | None) -> list[Canonical]:
    # Kafka Connect's JsonConverter wraps every value so, unless its schemas are disabled.
    while isinstance(source, dict) and "payload" in source and source.keys() <= {"schema", "payload"}:
        source = source["payload"]
    if not isinstance(source, dict):
        raise Rejected("not_an_object", f"an event is a JSON object, not {type_name(source)}")
    events = adapter_of(source, record).events(source, record)
    if field_map is not None:
        field_map.apply(source, events)
    return events


def type_name(value: object) -> str:
    """The name of a JSON value's type, with its article."""
    return _TYPE_NAMES.get(type(value), "an object")


_TYPE_NAMES: Final[dict[type, str]] = {
    str: "a string",
    int: "a number",
    float: "a fraction",
    bool: "a boolean",
    type(None): "null",
    list: "an array",
}

"""Which adapter reads a record."""

from typing import Any, Final

from streams.errors import Rejected
from streams.schema.adapters import (
    amplitude,
    canonical,
    cloud_events,
    ga4,
    gorse,
    metarank,
    mixpanel,
    personalize,
    posthog,
    segment,
    snowplow,
)
from streams.schema.adapters.adapter import Adapter, Canonical, Fields
from streams.schema.decoding_notes import DecodingNotes
from streams.schema.parsing.event_types import BUILT_IN_NAMES, CONTROL_TYPES, EventTypeNames
from streams.schema.parsing.field_map import FieldMap
from streams.schema.record import Record

FORMATS: Final = {
    "cloudevents": cloud_events.ADAPTER,
    "canonical": canonical.ADAPTER,
    "amplitude": amplitude.ADAPTER,
    "personalize": personalize.ADAPTER,
    "metarank": metarank.ADAPTER,
    "segment": segment.ADAPTER,
    "mixpanel": mixpanel.ADAPTER,
    "posthog": posthog.ADAPTER,
    "ga4": ga4.ADAPTER,
    "snowplow": snowplow.ADAPTER,
    "gorse": gorse.ADAPTER,
}
"""By the name that commands take, in the order in which they are asked; what none knows is read as canonical."""


def adapter_of(fields: Fields, record: Record) -> Adapter:
    """The adapter of the object's format."""
    for adapter in FORMATS.values():
        if adapter.matches(fields, record.headers):
            return adapter
    return canonical.ADAPTER


def canonical_events(
    value: object,
    record: Record,
    field_map: FieldMap | None = None,
    adapter: Adapter | None = None,
    names: EventTypeNames = BUILT_IN_NAMES,
    notes: DecodingNotes | None = None,
) -> list[Canonical | Rejected]:
    """The canonical fields of each event in a record's JSON value, or why an element of it is none. Raises Rejected.

    `adapter` reads every object; None: the one that knows its format. `notes` gets the objects without an event.
    """
    value = without_envelope(value)
    sources = value if isinstance(value, list) else [value]
    if not sources:
        raise Rejected("not_an_object", "the array is empty")
    events: list[Canonical | Rejected] = []
    for source in sources:
        try:
            events += _events_of(source, record, field_map, adapter, names, notes)
        except Rejected as error:
            events.append(error)
    return events


def _events_of(
    source: Any,
    record: Record,
    field_map: FieldMap | None,
    only_adapter: Adapter | None,
    names: EventTypeNames,
    notes: DecodingNotes | None,
) -> list[Canonical]:
    source = without_envelope(source)
    if not isinstance(source, dict):
        hint = ", in which JSON was encoded once more" if isinstance(source, str) and source[:1] == "{" else ""
        raise Rejected("not_an_object", f"an event is a JSON object, not {type_name(source)}{hint}")
    adapter = only_adapter or adapter_of(source, record)
    if only_adapter not in (None, canonical.ADAPTER) and not adapter.matches(source, record.headers):
        raise Rejected("wrong_format", f"this is no event of {adapter.name}, the only format that is accepted here")
    events = adapter.events(source, record)
    if not events and notes is not None:
        kind = source.get(adapter.kind_field)
        notes.add_without_event(f"{adapter.name} {kind[:40]!r}" if isinstance(kind, str) else adapter.name, record)
    if field_map is not None:
        field_map.apply(source, events)
    if not adapter.may_control and any(names[str(event.get("event_type"))] in CONTROL_TYPES for event in events):
        raise Rejected("wrong_type", f"an event of {adapter.name} cannot be a control record")
    return events


def without_envelope(value: Any) -> Any:
    """What Kafka Connect's JsonConverter has put into `{schema, payload}`, as it does unless its schemas are off."""
    while isinstance(value, dict) and "payload" in value and value.keys() <= {"schema", "payload"}:
        value = value["payload"]
    return value


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

"""Decoder of `user-events` and `item-catalog`: the events that a record holds, and why the rest of it is none.

A canonical record is decoded in one call. Every other accepted form goes one way: JSON → adapter → canonical fields →
typed events. What a schema registry's schemas wrote is JSON first.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
from msgspec import UNSET

from streams.errors import Rejected
from streams.schema.adapters import canonical
from streams.schema.adapters.adapter import Adapter
from streams.schema.adapters.registry import canonical_events, type_name
from streams.schema.adapters.snowplow import from_tsv
from streams.schema.decoding_notes import DecodingNotes
from streams.schema.event_encoder import CANONICAL_HEADER
from streams.schema.events import ITEM_EVENTS, Event, ItemDelete, ItemUpsert, UserEvent
from streams.schema.parsing.event_types import BUILT_IN_NAMES, EventTypeNames
from streams.schema.parsing.field_map import FieldMap
from streams.schema.parsing.json_text import check_text, parse
from streams.schema.parsing.times import MS_BELOW, SECONDS_BELOW
from streams.schema.parsing.typed_events import MAX_FUTURE_MS, encode_shared_properties, item_upsert, typed_event
from streams.schema.parsing.wire_format import Transcoder, is_framed, plain_record
from streams.schema.record import NUMBER_BYTES, Record, UnkeyedRecord, is_key_of, key_id, position
from streams.settings.sections import EventSettings

MAX_RECORD_BYTES: Final = 2**20
_MOST_FAULTS_NAMED: Final = 3
_UNKNOWN: Final = ""
_USER_EVENT: Final = msgspec.json.Decoder(UserEvent).decode


@dataclass(frozen=True, slots=True)
class SchemaRules:
    """What the settings say of records: `[events]`, and `[registry]`."""

    field_map: FieldMap | None = None
    type_names: EventTypeNames = field(default_factory=lambda: BUILT_IN_NAMES)
    transcoder: Transcoder | None = None
    adapter: Adapter | None = None
    """That of the only format that is accepted; None: that of each record"""
    check_key: bool = True
    """Whether the key must be the user; if not, it is not looked at"""
    tries_canonical: bool = field(init=False, compare=False)
    """Whether a record may be read as a canonical event in JSON before anything else is tried"""
    of_json: "SchemaRules" = field(init=False, compare=False, repr=False)
    """The rules for records that are not in the wire format"""

    def __post_init__(self) -> None:
        is_plain = self.field_map is None and self.adapter is None and self.transcoder is None
        object.__setattr__(self, "tries_canonical", is_plain)
        object.__setattr__(self, "of_json", self if self.transcoder is None else replace(self, transcoder=None))

    @classmethod
    def of(cls, settings: EventSettings, transcoder: Transcoder | None = None) -> "SchemaRules":
        """The rules that the section gives, with the schemas of the registry."""
        return cls(
            FieldMap(settings.map) if settings.map else None,
            EventTypeNames(settings.types) if settings.types else BUILT_IN_NAMES,
            transcoder,
        )


BUILT_IN_RULES: Final = SchemaRules()
_UNKEYED_RULES: Final = SchemaRules(check_key=False)

Decoded = tuple[Sequence[Event | None], Rejected | None]
"""One entry for each event of the record, None where it is left out or cannot be used; and why, if any cannot."""


def decode(
    record: Record,
    max_bytes: int = MAX_RECORD_BYTES,
    rules: SchemaRules = BUILT_IN_RULES,
    notes: DecodingNotes | None = None,
) -> Decoded:
    """The events that a record of `user-events` holds. Total: raises nothing, whatever the bytes.

    The transcoder of the rules must have loaded the record. `notes` gets what was passed over or replaced.
    """
    value, key = record.value, record.key
    if record.headers and any(name == CANONICAL_HEADER for name, _ in record.headers):
        rules = BUILT_IN_RULES if rules.check_key else _UNKEYED_RULES
    if value is not None and len(value) <= max_bytes and rules.tries_canonical:
        try:
            event = _USER_EVENT(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        else:
            time, record_time = event.time_ms, record.timestamp
            renamed = rules.type_names.renamed.get(event.event_type, _UNKNOWN)
            if (
                (key == event.user_id.encode() or not rules.check_key or is_key_of(key, event.user_id))
                and SECONDS_BELOW <= time < MS_BELOW
                and (time <= record_time + MAX_FUTURE_MS or record_time <= 0)
                and renamed is not _UNKNOWN
                and (event.item_id is not None or (renamed or event.event_type) not in ITEM_EVENTS)
                and (event.event_id or not record.headers)
                and event.user_id[0] != "\0"
                and (event.properties is UNSET or _is_clean_object(bytes(event.properties)))
            ):
                if renamed is not None:
                    event.event_type = renamed
                if not event.event_id:  # `position`, without the call
                    event.event_id = f"{record.topic}:{record.partition}:{record.offset}"
                return (event,), None
    if rules.transcoder is not None:
        if is_framed(value) or is_framed(key):
            return _decode_framed(record, max_bytes, rules.of_json, rules.transcoder, notes)
        return decode(record, max_bytes, rules.of_json, notes)
    try:
        return _decode_any(record, _checked_size(value, max_bytes), rules, notes)
    except Rejected as error:
        return (), error


def _decode_framed(
    record: Record, max_bytes: int, rules: SchemaRules, transcoder: Transcoder, notes: DecodingNotes | None
) -> Decoded:
    try:
        _checked_size(record.value, max_bytes)
        plain = plain_record(record if rules.check_key else UnkeyedRecord(record), transcoder)
    except Rejected as error:
        return (), error
    decoded = decode(plain, sys.maxsize, rules, notes)
    if decoded[1] is not None and decoded[1].code == "key_mismatch" and len(record.key or b"") in NUMBER_BYTES:
        plain.key = record.key  # may be a number, whose bytes happen to be what some schema writes
        as_number = decode(plain, sys.maxsize, rules)  # the notes have it
        return decoded if as_number[1] is not None else as_number
    return decoded


def decode_item(
    record: Record, max_bytes: int = MAX_RECORD_BYTES, transcoder: Transcoder | None = None
) -> ItemUpsert | ItemDelete:
    """The description or deletion (a null value) of the item that is the key. Raises Rejected, and nothing else.

    The transcoder must have loaded the record.
    """
    if transcoder is not None and (is_framed(record.value) or is_framed(record.key)):
        if record.value is not None:
            _checked_size(record.value, max_bytes)
        record, max_bytes = plain_record(record, transcoder), sys.maxsize
    if not record.key:
        raise Rejected("missing_key", "records of the catalog are keyed by item_id")
    if len(record.key) not in NUMBER_BYTES:
        check_text(record.key)
    item_id = key_id(record.key)
    if record.value is None:
        return ItemDelete(item_upsert({"item_id": item_id}).item_id)
    source = parse(_checked_size(record.value, max_bytes))
    if not isinstance(source, dict):
        raise Rejected("not_an_object", f"an item is a JSON object, not {type_name(source)}")
    (fields,) = canonical.events(source, record)
    item = item_upsert({"item_id": item_id} | {name: value for name, value in fields.items() if value is not None})
    if not is_key_of(record.key, item.item_id):
        raise Rejected("key_mismatch", f"the key is {record.key[:40]!r}, but item_id is {item.item_id[:40]!r}")
    return item


def _checked_size(value: bytes | None, max_bytes: int) -> bytes:
    if value is None:
        raise Rejected("null_value", "a null value is no event; send user.delete to erase a user")
    if len(value) > max_bytes:
        raise Rejected("record_too_large", f"{len(value)} bytes; at most {max_bytes} are read (kafka.max_record_bytes)")
    return value


def _is_clean_object(raw: bytes) -> bool:
    """Whether the only part that the decoder has skipped over is an object and can be kept as it came."""
    try:
        check_text(raw)
    except Rejected:
        return False
    return raw.startswith(b"{")


def _decode_any(record: Record, value: bytes, rules: SchemaRules, notes: DecodingNotes | None) -> Decoded:
    if not rules.check_key:
        record = UnkeyedRecord(record)
    source = from_tsv(value) or parse(value)
    canonical = canonical_events(source, record, rules.field_map, rules.adapter, rules.type_names, notes)
    several = len(canonical) > 1
    if several:
        encode_shared_properties(canonical, MAX_RECORD_BYTES)
    shared_ids = _shared_ids(canonical) if several else frozenset()
    events: list[Event | None] = []
    faults: list[tuple[int, Rejected]] = []
    for index, fields in enumerate(canonical):
        event = None
        try:
            if isinstance(fields, Rejected):
                raise fields
            event_id = event_position(record, index, several)
            event = typed_event(fields, record, event_id, rules.type_names, rules.check_key, notes)
            if shared_ids and isinstance(event, UserEvent) and event.event_id in shared_ids:
                event.event_id = f"{event.event_id}:{index}"
        except Rejected as error:
            faults.append((index, error if rules.field_map is None else rules.field_map.explain(error)))
        events.append(event)
    return events, _summary(faults, len(canonical))


def event_position(record: Record, index: int, several: bool) -> str:
    """`topic:partition:offset` of an event, with `:index` where its record holds several."""
    return f"{position(record)}:{index}" if several else position(record)


def _shared_ids(canonical: Sequence[Mapping[str, object] | Rejected]) -> frozenset[str]:
    """Ids that several events of a record have: those of the message that named several items."""
    ids = Counter(str(fields.get("event_id")) for fields in canonical if not isinstance(fields, Rejected))
    return frozenset(event_id for event_id, count in ids.items() if count > 1)


def _summary(faults: list[tuple[int, Rejected]], events: int) -> Rejected | None:
    """One reason for the record, with the index of each event that cannot be used."""
    if not faults:
        return None
    if events == 1:
        return faults[0][1]
    named = [f"event {index} of {events}: {error}" for index, error in faults[:_MOST_FAULTS_NAMED]]
    if len(faults) > _MOST_FAULTS_NAMED:
        named.append(f"and {len(faults) - _MOST_FAULTS_NAMED} more")
    rejected = Rejected(faults[0][1].code, "; ".join(named))
    rejected.events = tuple(index for index, _ in faults)
    return rejected

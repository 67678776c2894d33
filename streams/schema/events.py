"""Decoder of `user-events` and `item-catalog`: typed events, or a rejection with its reason.

The types are the wire format: JSON Schema is generated from them. A canonical record is decoded in one call; every
other accepted form (streams.schema.adapters) is first rewritten as a canonical one, so there is one set of rules.
Knows nothing of the network: ids and event types stay strings.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from models.data.event_types import EVENT_TYPES
from streams.errors import Rejected
from streams.schema import adapters
from streams.schema.adapters import CONTROL_TYPES, SECONDS_BELOW, TIME_LIMIT_MS
from streams.schema.record import Record

MAX_RECORD_BYTES: Final = 2**20
MAX_FUTURE_MS: Final = 24 * 3600 * 1000
ITEM_EVENTS: Final = frozenset(EVENT_TYPES) - {"other", "search"}
"""Event types that need an item_id."""

Id = Annotated[str, Meta(min_length=1, max_length=256)]
SchemaVersion = Annotated[int, Meta(ge=1, le=1, description="Major version; every record of another one is refused.")]
Timestamp = Annotated[
    int,
    Meta(
        gt=-TIME_LIMIT_MS,
        lt=TIME_LIMIT_MS,
        description="Epoch ms, epoch s (a number below 1e11) or ISO-8601 (UTC where no offset is given).",
        extra_json_schema={"type": ["number", "string"], "format": "date-time"},
    ),
]
Text = Annotated[str, Meta(max_length=32_768)]
Number = Annotated[float, Meta(ge=-1e12, le=1e12)]


class UserEvent(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that a user did."""

    user_id: Id
    event_type: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="One of the known types; any other is accepted and treated as 'other'.",
            examples=[name for name in EVENT_TYPES if name != "other"],
        ),
    ]
    time_ms: Timestamp = field(name="timestamp")
    item_id: Annotated[Id, Meta(description="Required by every known type but search.")] | None = None
    event_id: Annotated[Id, Meta(description="Unique; without it the record's position stands in.")] = ""
    value: Annotated[Number, Meta(description="Rating, price, quantity.")] | None = None
    text: Text | None = None
    session_id: Id | None = None
    lang: Annotated[str, Meta(max_length=64, description="BCP 47 language tag of the text.")] | None = None
    prediction_id: Annotated[Id, Meta(description="The prediction that led to this event.")] | None = None
    impression: Annotated[
        tuple[Id, ...], Meta(max_length=1000, description="Items that the user was shown, in order.")
    ] = ()
    properties: Annotated[Raw, Meta(description="Anything else.", extra_json_schema={"type": "object"})] | UnsetType = (
        UNSET
    )
    schema_version: SchemaVersion = 1


class UserDelete(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Erase the user's row and predictions."""

    user_id: Id
    event_type: Literal["user.delete"]
    time_ms: Timestamp = field(name="timestamp", default=0)
    event_id: Id = ""
    schema_version: SchemaVersion = 1


class CatalogItem(Struct, gc=False, omit_defaults=True):
    """What is known of an item; replaces what was known before."""

    title: Annotated[str, Meta(max_length=1024)] = ""
    text: Text = ""
    categories: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    features: Annotated[tuple[Number, ...], Meta(max_length=4096, description="Feature vector.")] = ()
    schema_version: SchemaVersion = 1


class ItemUpsert(CatalogItem, gc=False, omit_defaults=False, kw_only=True):
    """Describe the item."""

    item_id: Id
    event_type: Literal["item.upsert"] = "item.upsert"


class ItemDelete(Struct, gc=False):
    """Never predict the item again, until it is described anew."""

    item_id: Id
    event_type: Literal["item.delete"] = "item.delete"
    schema_version: SchemaVersion = 1


Event: TypeAlias = UserEvent | UserDelete | ItemUpsert | ItemDelete

_USER_EVENT: Final = msgspec.json.Decoder(UserEvent)
_T = TypeVar("_T", bound=Struct)
_U = TypeVar("_U", UserEvent, UserDelete)


def decode(record: Record, max_bytes: int = MAX_RECORD_BYTES) -> Event:
    """The event that a record of `user-events` holds. Raises Rejected, and nothing else, whatever the bytes."""
    value = _checked_size(record.value, max_bytes)
    try:
        event = _USER_EVENT.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _translate(record, value)
    if event.event_type in CONTROL_TYPES or (record.headers and not event.event_id):
        return _translate(record, value)
    if -SECONDS_BELOW < event.time_ms < SECONDS_BELOW:
        event.time_ms *= 1000
    if event.properties is not UNSET:
        adapters.check_text(bytes(event.properties))  # the only part that the decoder has skipped over
    return _complete_user_event(event, record)


def decode_item(record: Record, max_bytes: int = MAX_RECORD_BYTES) -> ItemUpsert | ItemDelete:
    """The description or deletion (a null value) of the item that is the key. Raises Rejected, and nothing else."""
    if not record.key:
        raise Rejected("missing_key", "records of the catalog are keyed by item_id")
    try:
        fields = {"item_id": Raw(msgspec.json.encode(record.key.decode()))}
    except UnicodeDecodeError as error:
        raise adapters.rejection(error) from None
    if record.value is None:
        return _decode_fields(fields, ItemDelete)
    item = _decode_fields(fields | adapters.canonical(_checked_size(record.value, max_bytes)), ItemUpsert)
    if item.item_id.encode() != record.key:
        raise Rejected("key_mismatch", f"the key is {record.key[:40]!r}, but item_id is {item.item_id[:40]!r}")
    return item


def _checked_size(value: bytes | None, max_bytes: int) -> bytes:
    if value is None:
        raise Rejected("null_value", "a null value is no event; send user.delete to erase a user")
    if len(value) > max_bytes:
        raise Rejected("record_too_large", f"{len(value)} bytes; at most {max_bytes} are read (kafka.max_record_bytes)")
    return value


def _translate(record: Record, value: bytes) -> Event:
    fields = adapters.canonical(value)
    if record.headers:
        adapters.add_cloud_event(fields, record.headers, record.key)
    event_type = adapters.plain(fields["event_type"]) if "event_type" in fields else None
    if event_type == "item.upsert":
        return _decode_fields(fields, ItemUpsert)
    if event_type == "item.delete":
        return _decode_fields(fields, ItemDelete)
    time_ms = adapters.time_ms(adapters.plain(fields["timestamp"])) if "timestamp" in fields else None
    if event_type == "user.delete":  # an erasure must not fail for want of a time
        fields["timestamp"] = Raw(b"%d" % (record.timestamp if time_ms is None else time_ms))
        return _complete(_decode_fields(fields, UserDelete), record)
    if time_ms is not None:
        fields["timestamp"] = Raw(b"%d" % time_ms)
    return _complete_user_event(_decode_fields(fields, UserEvent), record)


def _decode_fields(fields: Mapping[str, Raw], struct: type[_T]) -> _T:
    known = {name: fields[name] for name in struct.__struct_encode_fields__ if name in fields}
    try:
        return msgspec.json.decode(msgspec.json.encode(known), type=struct)
    except msgspec.MsgspecError as error:
        raise adapters.rejection(error) from None


def _complete_user_event(event: UserEvent, record: Record) -> UserEvent:
    if event.item_id is None and event.event_type in ITEM_EVENTS:
        raise Rejected("missing_field", f"a {event.event_type} needs an item_id")
    if event.properties is not UNSET and not bytes(event.properties).startswith(b"{"):
        raise Rejected("wrong_type", "properties: must be an object")
    return _complete(event, record)


def _complete(event: _U, record: Record) -> _U:
    key = record.key
    if key is None:
        raise Rejected(
            "missing_key", "events are keyed by user_id, so that all of a user's events lie in one partition"
        )
    if event.user_id.encode() != key:
        raise Rejected("key_mismatch", f"the key is {key[:40]!r}, but user_id is {event.user_id[:40]!r}")
    if key[0] == 0:
        raise Rejected("reserved_id", "a user_id must not begin with U+0000")
    if not event.event_id:
        event.event_id = f"{record.topic}:{record.partition}:{record.offset}"
    # The record's own time, not the clock's: a replay must give the same event.
    if event.time_ms > record.timestamp + MAX_FUTURE_MS and record.timestamp > 0:
        event.time_ms = record.timestamp
    return event

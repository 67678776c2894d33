"""Types of the records of `user-events` and `item-catalog`.

They are the wire format: JSON Schema is generated from them. Ids and event types stay strings.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from models.data.event_types import EVENT_TYPES

ITEM_EVENTS: Final = frozenset(EVENT_TYPES) - {"other", "search"}
"""Event types that need an item_id."""

MAX_ID_LENGTH: Final = 512  # characters: a URL may be an id
MAX_TEXT_LENGTH: Final = 32_768
MAX_TITLE_LENGTH: Final = 1024
MAX_TYPE_LENGTH: Final = 256
MAX_LANG_LENGTH: Final = 64
MAX_IMPRESSION: Final = 1000
MAX_CATEGORIES: Final = 100
MAX_FEATURES: Final = 4096
MAX_NUMBERS: Final = 100
MAX_NUMBER_NAME: Final = 64
MAX_NUMBER: Final = 1e12

Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        extra_json_schema={"description": "A whole number is the id of its digits."},
    ),
]
SchemaVersion = Annotated[int, Meta(ge=1, le=1, description="Major version; every record of another one is refused.")]
Timestamp = Annotated[
    int,
    Meta(
        description="Epoch s (below 1e11), ms (below 1e14), µs (below 1e17) or ns, as number or digits, or ISO-8601 "
        "(UTC where no offset is given).",
        extra_json_schema={"format": "date-time"},
    ),
]
Text = Annotated[str, Meta(max_length=MAX_TEXT_LENGTH)]
Number = Annotated[float, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
NumberName = Annotated[str, Meta(min_length=1, max_length=MAX_NUMBER_NAME)]


class UserEvent(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that a user did."""

    user_id: Id
    event_type: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_TYPE_LENGTH,
            description="One of the known types or of their synonyms; any other is accepted and treated as 'other'.",
            examples=[name for name in EVENT_TYPES if name != "other"],
        ),
    ]
    time_ms: Timestamp = field(name="timestamp")
    item_id: Annotated[Id, Meta(description="Required by every known type but search.")] | None = None
    event_id: Annotated[Id, Meta(description="Unique; without it the record's position stands in.")] = ""
    value: Annotated[Number, Meta(description="Rating, price, quantity.")] | None = None
    text: Text | None = None
    session_id: Id | None = None
    lang: Annotated[str, Meta(max_length=MAX_LANG_LENGTH, description="BCP 47 language tag of the text.")] | None = None
    prediction_id: Annotated[Id, Meta(description="The prediction that led to this event.")] | None = None
    impression: Annotated[
        tuple[Id, ...], Meta(max_length=MAX_IMPRESSION, description="Items that the user was shown, in order.")
    ] = ()
    properties: Annotated[Raw, Meta(description="Anything else.", extra_json_schema={"type": "object"})] | UnsetType = (
        UNSET
    )
    decision_id: Annotated[Id, Meta(description="The decision that led to this event.")] | None = None
    schema_version: SchemaVersion = 1


class UserDelete(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Erase the user's row and predictions."""

    user_id: Id
    event_type: Literal["user.delete"]
    time_ms: Timestamp = field(name="timestamp", default=0)
    event_id: Id = ""
    schema_version: SchemaVersion = 1


class UserUpsert(Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of a user beside their events; replaces what was known before."""

    user_id: Id
    event_type: Literal["user.upsert"]
    features: Annotated[
        tuple[Number, ...],
        Meta(max_length=MAX_FEATURES, description="Feature vector; model.user_features says how much of it is read."),
    ] = ()
    numbers: Annotated[
        dict[NumberName, Number],
        Meta(max_length=MAX_NUMBERS, description="Numbers by name: age, tenure. model.user_numbers: which are read."),
    ] = {}
    time_ms: Timestamp = field(name="timestamp", default=0)
    event_id: Id = ""
    schema_version: SchemaVersion = 1


class CatalogItem(Struct, gc=False, omit_defaults=True):
    """What is known of an item; replaces what was known before."""

    title: Annotated[str, Meta(max_length=MAX_TITLE_LENGTH)] = ""
    text: Text = ""
    categories: Annotated[tuple[Id, ...], Meta(max_length=MAX_CATEGORIES)] = ()
    features: Annotated[tuple[Number, ...], Meta(max_length=MAX_FEATURES, description="Feature vector.")] = ()
    numbers: Annotated[
        dict[NumberName, Number],
        Meta(
            max_length=MAX_NUMBERS,
            description="Numbers by name, which change: price, stock, rating. model.numbers says which are read.",
        ),
    ] = {}
    protected: Annotated[
        bool, Meta(description="Where all places of items (items.capacity) are taken, it never loses its own.")
    ] = False
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


Event: TypeAlias = UserEvent | UserDelete | UserUpsert | ItemUpsert | ItemDelete


def key_of(event: Event) -> bytes:
    """The key of the event's record in `user-events`: its user, or its item where it is of none."""
    return (event.item_id if isinstance(event, ItemUpsert | ItemDelete) else event.user_id).encode()

"""Records of `interest-predictions` as readers decode them."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streams.schema.model_version import ModelVersion

SCHEMA_VERSION: Final = 1

Probability = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]


class Source(Struct, gc=False):
    """Position of the record that caused a prediction."""

    topic: str
    partition: int
    offset: int


class Carriers(Struct, gc=False):
    """Shares of what carried a prediction; they sum to 1."""

    attention: Annotated[Probability, Meta(description="The network, by what it reads in the user's events.")]
    copying: Annotated[Probability, Meta(description="That items come back: by the network and by recency.")]
    following: Annotated[Probability, Meta(description="What followed such items before, whoever had them.")]
    popularity: Annotated[Probability, Meta(description="What is popular, whoever the user.")]


class Horizon(Struct, gc=False):
    """Interest over the next days, if there is any event in them."""

    days: Annotated[int, Meta(ge=1, description="How many, from the prediction on.")]
    categories: Annotated[list[str], Meta(description="Categories of the events to come, by falling share.")]
    category_p: Annotated[list[Probability], Meta(description="Their shares in these events.")]
    items: Annotated[list[str], Meta(description="Items of the events to come, likewise.")]
    item_p: Annotated[list[Probability], Meta(description="Their shares.")]
    type_p: Annotated[
        dict[str, Probability] | UnsetType,
        Meta(
            description="Probability of at least one event of each type within these days; of types that have come to "
            "anybody."
        ),
    ] = UNSET
    spent: Annotated[
        Amount | UnsetType, Meta(description="Expected sum of the values of the user's purchases within these days.")
    ] = UNSET


class Prediction(Struct, gc=False):
    """A user's interest distribution after one of their events."""

    prediction_id: Annotated[
        str,
        Meta(
            description="Position of the event's record, and the event's index in a record of several: the same after "
            "a retry or a replay. Drop what you have seen."
        ),
    ]
    user_id: str
    caused_by: Annotated[str, Meta(description="event_id of the user's last event that is taken into account.")]
    event_time: Annotated[int, Meta(description="When that event happened, epoch ms.")]
    emitted_at: Annotated[int, Meta(description="When the prediction was made, epoch ms.")]
    model_version: ModelVersion
    state_version: Annotated[int, Meta(ge=0, description="Events of the user that are taken into account.")]
    source: Source
    items: Annotated[list[str], Meta(description="Most probable next items, by falling probability.")]
    item_p: Annotated[list[Probability], Meta(description="Their probabilities; with other_p they sum to 1.")]
    other_p: Annotated[Probability, Meta(description="Probability of all other items together.")]
    categories: Annotated[list[str], Meta(description="Most probable categories of the next item.")]
    category_p: Annotated[list[Probability], Meta(description="Their probabilities, over all items.")]
    because: Annotated[list[str], Meta(description="The user's past items that carried the most probable one.")]
    because_weight: Annotated[
        list[Probability],
        Meta(description="Their shares in it; with because_other and carried_by.popularity they sum to 1."),
    ]
    because_other: Annotated[Probability, Meta(description="Share of all other events of the user together.")]
    carried_by: Annotated[
        Carriers, Meta(description="The same by another division: by what carried the most probable item.")
    ]
    short_term: Annotated[
        list[float] | UnsetType, Meta(description="Interest of the moment, as a vector; in models that keep it apart.")
    ] = UNSET
    long_term: Annotated[
        list[float] | UnsetType, Meta(description="Lasting interest, likewise; items are scored by the sum of both.")
    ] = UNSET
    horizons: Annotated[
        list[Horizon] | UnsetType, Meta(description="Interest over a day, a week, a month; where model.horizons is on.")
    ] = UNSET
    return_p: Annotated[
        dict[str, Probability] | UnsetType,
        Meta(description="Probability of any event within so many days, by the number of days; likewise."),
    ] = UNSET
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION


_PREDICTION: Final = msgspec.json.Decoder(Prediction)


def decode(value: bytes) -> Prediction:
    """The decoded record; unknown fields are ignored. Raises msgspec.MsgspecError where it is not a prediction."""
    return _PREDICTION.decode(value)

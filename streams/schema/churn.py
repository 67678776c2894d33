"""Records of `interest-churn`: users who fall silent, and those who come back."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streams.errors import StreamError
from streams.schema.model_version import ModelVersion

SCHEMA_VERSION: Final = 1

Level = Literal["none", "at_risk", "lost"]
Reason = Literal["returned", "silence", "engagement", "forecast"]
LEVELS: Final[tuple[Level, ...]] = ("none", "at_risk", "lost")
"""By rising risk"""
HORIZON_DAYS: Final = 30
RESERVED: Final = b"\0"
"""First byte of keys that are not users', but the sweep's own"""

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]


class ChurnWarning(Struct, gc=False):
    """A user's level of risk from now on. Each user has each level once, until they come back."""

    user_id: str
    level: Annotated[Level, Meta(description="'none' where the user has come back.")]
    since: Annotated[int, Meta(description="From when on the user has this level, epoch ms.")]
    last_event_time: Annotated[int, Meta(description="When the user's newest event happened, epoch ms.")]
    no_event_p: Annotated[
        Share, Meta(description="Probability of no event within 30 days; 0 where the user has come back.")
    ]
    reason: Annotated[
        Reason,
        Meta(
            description="'silence': the gap exceeds twice the user's own; 'engagement': the user did less and less "
            "before; 'forecast': neither shows, but the model expects it."
        ),
    ]
    silent_days: Annotated[float, Meta(ge=0, description="Since the newest event.")]
    usual_gap_days: Annotated[float, Meta(ge=0, description="Between two events of the user; 0 where there is one.")]
    engagement: Annotated[
        float, Meta(ge=0, description="Events a day in the last month of activity, over those of the last three.")
    ]
    categories: Annotated[list[str], Meta(description="What the user would want over these days, by falling share.")]
    category_p: Annotated[list[Share], Meta(description="Their shares.")]
    items: Annotated[list[str], Meta(description="Items likewise.")]
    item_p: Annotated[list[Share], Meta(description="Their shares.")]
    model_version: ModelVersion
    state_version: Annotated[int, Meta(ge=0, description="Events of the user that are taken into account.")]
    type_p: Annotated[
        dict[str, Share] | UnsetType,
        Meta(description="Probability of an event of each type within 30 days; of types that have come to anybody."),
    ] = UNSET
    spent: Annotated[
        Amount | UnsetType, Meta(description="Expected sum of the values of the user's purchases within 30 days.")
    ] = UNSET
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION


class SweepPosition(Struct, gc=False):
    """How far the sweep of a partition is: the record of the key SWEEP_KEY."""

    began_ms: int
    """When this pass began"""
    after: str
    """The last user that was looked at; empty before the first"""
    is_done: bool
    """Whether the pass has reached the last user"""
    clock_ms: int = 0
    """The newest event time so far"""

    def encode(self) -> bytes:
        """The record's value."""
        return msgspec.json.encode(self)


SWEEP_KEY: Final = b"\0sweep"

_WARNING: Final = msgspec.json.Decoder(ChurnWarning)
_POSITION: Final = msgspec.json.Decoder(SweepPosition)


def decode_warning(value: bytes) -> ChurnWarning:
    """The decoded record. Raises StreamError where it is no record of `interest-churn`."""
    try:
        return _WARNING.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StreamError(f"not a record of interest-churn: {error}") from error


def decode_position(value: bytes) -> SweepPosition:
    """The decoded position. Raises StreamError where it is none."""
    try:
        return _POSITION.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StreamError(f"not a position of the sweep: {error}") from error

"""Rows of the view, stored in MessagePack without the names of their fields.

A change of their fields needs another FORMAT: a view of another one is made anew from Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

FORMAT: Final = 5


class HorizonRow(msgspec.Struct, array_like=True, gc=False):
    """Interest over so many days."""

    days: int
    categories: list[str]
    category_p: list[float]
    items: list[str]
    item_p: list[float]
    type_p: dict[str, float]  # empty where not known
    spent: float | None


class UserRow(msgspec.Struct, array_like=True, gc=False):
    """A user's newest prediction."""

    prediction_id: str
    caused_by: str
    event_time: int
    emitted_at: int
    model_version: str
    state_version: int
    source_partition: int
    source_offset: int
    items: list[str]
    item_p: list[float]
    other_p: float
    categories: list[str]
    category_p: list[float]
    because: list[str]
    because_weight: list[float]
    because_other: float
    carried_by: tuple[float, float, float, float]  # attention, copying, following, popularity
    position: str  # of its record, partition:offset
    points: int  # predictions of the user so far, which number the places of the newest in a ring
    horizons: list[HorizonRow] = []
    return_p: dict[str, float] = {}  # by days


class HistoryPoint(msgspec.Struct, array_like=True, gc=False):
    """One of a user's newest predictions, in short."""

    number: int
    prediction_id: str
    event_time: int
    emitted_at: int
    model_version: str
    state_version: int
    categories: list[str]
    category_p: list[float]
    item: str | None
    item_p: float
    moved: float


class EventRow(msgspec.Struct, array_like=True, gc=False):
    """One of a user's newest events."""

    event_id: str
    event_type: str
    item_id: str | None
    time_ms: int
    partition: int
    offset: int


class ItemRow(msgspec.Struct, array_like=True, gc=False):
    """What the catalog says of an item."""

    title: str
    categories: tuple[str, ...]
    price: float | None = None
    stock: float | None = None
    published_s: float | None = None


class MassRow(msgspec.Struct, array_like=True, gc=False):
    """Weighted probability of an item or category, summed over users, and how many of them name it."""

    mass: float
    users: int


class RiskRow(msgspec.Struct, array_like=True, gc=False):
    """A user's newest warning, of those who have not come back."""

    level: int  # index into streams.schema.churn.LEVELS
    since: int
    no_event_p: float
    reason: str
    last_event_time: int


class SegmentRow(msgspec.Struct, array_like=True, gc=False):
    """How many users a segment has."""

    category: str  # empty where none is known
    level: int
    users: int


class Snapshot(msgspec.Struct, array_like=True, gc=False):
    """What the audience wanted at a time: the largest shares, by falling share."""

    users: int
    items: list[str]
    item_share: list[float]
    categories: list[str]
    category_share: list[float]
    segments: list[SegmentRow] = []  # all of them


class QualityPoint(msgspec.Struct, array_like=True, gc=False):
    """Quality of one worker at a time."""

    emitted_at: int
    model_version: str
    scored: int
    window: int
    possible: int
    recall_at_10: float | None
    mrr: float | None
    log_loss: float | None
    popularity_recall_at_10: float | None


class CalibrationRow(msgspec.Struct, array_like=True, gc=False):
    """Of one hour, by bin of probability: predictions of an item, the sum of their probabilities, and hits."""

    count: list[int]
    p_sum: list[float]
    hits: list[int]


class ReleaseRow(msgspec.Struct, array_like=True, gc=False):
    """A release of the model, as its manifest has it."""

    number: int
    model_version: str
    released_at: int
    items: int
    events: int
    recall_at_10: float | None
    log_loss: float | None


class LetterRow(msgspec.Struct, array_like=True, gc=False):
    """A dead letter, its value as text that may be cut."""

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    value: str


class TopicRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The topic that rows were read from."""

    topic_id: str


class Meta(msgspec.Struct, array_like=True):
    """What the view is of, and counters that change with its rows."""

    format: int
    identity: str  # topics and group
    written_ms: int = 0
    users: int = 0
    items: int = 0  # in the catalog
    letters: int = 0
    landmark_ms: int = 0  # of the audience's weights
    weight: float = 0.0  # sum of the audience's weights


def encode(row: msgspec.Struct) -> bytes:
    """The row's bytes."""
    return _ENCODER.encode(row)


def encode_list(rows: Sequence[msgspec.Struct]) -> bytes:
    """The bytes of several rows."""
    return _ENCODER.encode(rows)


_ENCODER: Final = msgspec.msgpack.Encoder()
USER_ROW: Final = msgspec.msgpack.Decoder(UserRow).decode
HISTORY_POINT: Final = msgspec.msgpack.Decoder(HistoryPoint).decode
EVENT_ROWS: Final = msgspec.msgpack.Decoder(list[EventRow]).decode
ITEM_ROW: Final = msgspec.msgpack.Decoder(ItemRow).decode
RISK_ROW: Final = msgspec.msgpack.Decoder(RiskRow).decode
SEGMENT_ROW: Final = msgspec.msgpack.Decoder(SegmentRow).decode
MASS_ROW: Final = msgspec.msgpack.Decoder(MassRow).decode
SNAPSHOT_ROW: Final = msgspec.msgpack.Decoder(Snapshot).decode
QUALITY_POINT: Final = msgspec.msgpack.Decoder(QualityPoint).decode
CALIBRATION_ROW: Final = msgspec.msgpack.Decoder(CalibrationRow).decode
RELEASE_ROW: Final = msgspec.msgpack.Decoder(ReleaseRow).decode
LETTER_ROW: Final = msgspec.msgpack.Decoder(LetterRow).decode
TOPIC_ROW: Final = msgspec.msgpack.Decoder(TopicRow).decode
META_ROW: Final = msgspec.msgpack.Decoder(Meta).decode

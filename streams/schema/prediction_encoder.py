"""Encodes the engine's predictions as records of `interest-predictions`.

Parallel flat arrays; what numpy can do for all rows is done once per batch, as this runs for every prediction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.event_types import EVENT_TYPES
from models.inference.predictions import InterestParts, Outlook, Predictions
from models.items.vocabulary import ItemVocabulary
from streams.schema.events import UserEvent
from streams.schema.predictions import SCHEMA_VERSION

_SHARE_UNITS: Final = 100_000


@dataclass(frozen=True, slots=True)
class EventOrigins:
    """Source events of a batch, in the order of its EventBatch; predictions refer to them by index."""

    topic: str
    event: Sequence[UserEvent]
    partition: Sequence[int]
    offset: Sequence[int]
    record_index: Sequence[int]
    """Index of the event in a record that holds several, else -1"""
    state_version: Sequence[int]
    """Each user's count of applied events after the event"""


Dump = Callable[[Mapping[str, Any]], bytes]
"""Makes the bytes of a record from its fields"""


def encode(
    predictions: Predictions,
    origins: EventOrigins,
    items: ItemVocabulary,
    emitted_at_ms: int,
    dump: Dump = orjson.dumps,
) -> list[bytes]:
    """One value per prediction, in their order; in JSON, unless `dump` writes another format.

    Probabilities are truncated to five digits, the remainder goes to other_p; shares are truncated to five decimals,
    and their sums as decimals are exactly 1.
    """
    topic, version = origins.topic, str(predictions.model_version)
    item_p = truncated(predictions.item_p)  # [P, k]
    other_p = np.round(np.clip(1.0 - item_p.sum(axis=1), 0.0, 1.0), 7)  # [P]
    item_columns = _columns(predictions.item, 1, items.id, item_p)
    category_columns = _columns(
        predictions.category, 0, items.categories.__getitem__, truncated(predictions.category_p)
    )
    weight, because_other, carried_by = _shares(predictions.because_weight, predictions.carried_by)
    because_columns = _columns(predictions.because, 1, items.id, weight)
    values = []
    for index, names, p, other, categories, category_p, because, because_weight, rest, (
        read,
        copied,
        followed,
        popular,
    ), vectors, outlook in zip(
        predictions.event.tolist(),
        *item_columns,
        other_p.tolist(),
        *category_columns,
        *because_columns,
        because_other,
        carried_by,
        _vectors(predictions.parts, len(predictions)),
        _outlooks(predictions, items),
        strict=True,
    ):
        event, partition, offset = origins.event[index], origins.partition[index], origins.offset[index]
        record_index = origins.record_index[index]
        position = f"{topic}:{partition}:{offset}"
        values.append(
            dump(
                {
                    "schema_version": SCHEMA_VERSION,
                    "prediction_id": position if record_index < 0 else f"{position}:{record_index}",
                    "user_id": event.user_id,
                    "caused_by": event.event_id,
                    "event_time": event.time_ms,
                    "emitted_at": emitted_at_ms,
                    "model_version": version,
                    "state_version": origins.state_version[index],
                    "source": {"topic": topic, "partition": partition, "offset": offset},
                    "items": names,
                    "item_p": p,
                    "other_p": other,
                    "categories": categories,
                    "category_p": category_p,
                    "because": because,
                    "because_weight": because_weight,
                    "because_other": rest,
                    "carried_by": {
                        "attention": read,
                        "copying": copied,
                        "following": followed,
                        "popularity": popular,
                    },
                    **vectors,
                    **outlook,
                }
            )
        )
    return values


def truncated(p: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities with all but their first five digits dropped, never rounded up; short as JSON. Same shape."""
    wide = np.clip(p.astype(np.float64), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        digits = np.clip(4.0 - np.floor(np.log10(wide)), 0.0, 15.0)
    scale = 10.0**digits
    return np.floor(wide * scale) / scale


def rounded(numbers: NDArray[np.float32]) -> NDArray[np.float64]:
    """The numbers to four digits, those from 10 000 on to whole ones; short as JSON. Same shape."""
    wide = numbers.astype(np.float64)
    with np.errstate(divide="ignore"):
        digits = np.clip(3.0 - np.floor(np.log10(np.abs(wide))), 0.0, 15.0)
    scale = 10.0**digits
    return np.rint(wide * scale) / scale


def _vectors(parts: InterestParts | None, rows: int) -> Iterable[dict[str, list[float]]]:
    """Short- and long-term interest by row; nothing where the model does not keep them apart."""
    if parts is None:
        return repeat({}, rows)
    short, long = rounded(parts.short_term).tolist(), rounded(parts.long_term).tolist()
    return ({"short_term": now, "long_term": lasting} for now, lasting in zip(short, long, strict=True))


def _outlooks(predictions: Predictions, items: ItemVocabulary) -> Iterable[dict[str, Any]]:
    """Horizons and probability of return by row; nothing where the model looks no further than the next event."""
    outlook, row = predictions.outlook, predictions.outlook_row
    if outlook is None or row is None:
        return repeat({}, len(predictions))
    users, horizons = outlook.return_p.shape

    def columns(
        index: NDArray[np.int64], first: int, name: Callable[[int], str], p: NDArray[np.float32]
    ) -> tuple[list[list[str]], list[list[float]]]:
        rows = users * horizons
        return _columns(index.reshape(rows, index.shape[2]), first, name, truncated(p).reshape(rows, p.shape[2]))

    made = [  # by user, then by horizon
        {"days": days, "categories": categories, "category_p": category_p, "items": names, "item_p": item_p, **further}
        for days, categories, category_p, names, item_p, further in zip(
            outlook.days * users,
            *columns(outlook.category, 0, items.categories.__getitem__, outlook.category_p),
            *columns(outlook.item, 1, items.id, outlook.item_p),
            types_and_spending(outlook),
            strict=True,
        )
    ]
    days = [str(number) for number in outlook.days]
    return_p = [dict(zip(days, p, strict=True)) for p in truncated(outlook.return_p).tolist()]
    return (
        {"horizons": made[index * horizons : (index + 1) * horizons], "return_p": return_p[index]} if index >= 0 else {}
        for index in row.tolist()
    )


def types_and_spending(outlook: Outlook) -> Iterable[dict[str, Any]]:
    """Of each user and horizon, as far as they are known; types of which no event has ever come are left out."""
    type_p, spent = outlook.type_p, outlook.spent
    if type_p is None or spent is None:
        return repeat({}, outlook.return_p.size)
    known = np.flatnonzero(type_p.any((0, 1)))
    names = [EVENT_TYPES[index] for index in known.tolist()]
    rows = truncated(type_p[:, :, known]).reshape(outlook.return_p.size, len(known)).tolist()
    return (
        {"type_p": dict(zip(names, p, strict=True)), "spent": value}
        for p, value in zip(rows, rounded(spent).ravel().tolist(), strict=True)
    )


def _shares(
    because: NDArray[np.float32], carried_by: NDArray[np.float32]
) -> tuple[NDArray[np.float64], list[float], list[list[float]]]:
    """Shares of items [P, b], of the user's other events [P] and of carriers [P, 4], truncated to five decimals.

    The remainder goes to the other events, and to the largest carrier that is not popularity.
    """
    shown, carrier = _in_units(because), _in_units(carried_by)  # [P, b], [P, 4]
    total = np.where(carried_by.any(1), _SHARE_UNITS, 0)  # [P]
    other = total - carrier[:, -1] - shown.sum(1)  # [P]
    carrier[np.arange(len(carrier)), carrier[:, :-1].argmax(1)] += total - carrier.sum(1)
    return shown / _SHARE_UNITS, (other / _SHARE_UNITS).tolist(), (carrier / _SHARE_UNITS).tolist()


def _in_units(share: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.floor(np.clip(share, 0, 1) * _SHARE_UNITS).astype(np.int64)


def _columns(
    index: NDArray[np.int64], first: int, name: Callable[[int], str], p: NDArray[np.float64]
) -> tuple[list[list[str]], list[list[float]]]:
    """Names and probabilities by row, without the padding (an index below `first`, at the end of its row)."""
    index_rows, p_rows = index.tolist(), p.tolist()
    if (index[:, -1:] < first).any():
        lengths = (index >= first).sum(axis=1).tolist()
        index_rows = [row[:length] for row, length in zip(index_rows, lengths, strict=True)]
        p_rows = [row[:length] for row, length in zip(p_rows, lengths, strict=True)]
    return [list(map(name, row)) for row in index_rows], p_rows

"""Users: the newest prediction of each, and the history of those before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import UNSET

from state.ordered_store import OrderedStore
from streams.schema.predictions import Horizon, Prediction
from streams.web.view.audience import Audience
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import EVENTS, POINT, USER, id_key, id_of, slot_key, slots_of
from streams.web.view.rows import HISTORY_POINT, USER_ROW, HistoryPoint, HorizonRow, Meta, UserRow, encode
from streams.web.view.segments import Segments

MOST_POINTS: Final = 10_000
_CLOCK_SKEW_MS: Final = 60_000  # of a worker's clock before ours; more would outweigh everybody else


class Users:
    """Rows of users. `put` and `erase` are for the thread that writes, the rest is for any."""

    def __init__(
        self, store: OrderedStore, audience: Audience, segments: Segments, meta: Meta, history_points: int
    ) -> None:
        self._store = store
        self._audience = audience
        self._segments = segments
        self._meta = meta
        self._history_points = history_points

    def put(self, prediction: Prediction, position: str, batch: ViewBatch) -> UserRow:
        """The user's row after this prediction."""
        key = id_key(USER, prediction.user_id)
        stored = batch.get(key)
        before = None if stored is None else USER_ROW(stored)
        row = _row(prediction, position, 0 if before is None else before.points)
        self._audience.replace(before, row)
        self._segments.move(before, row, self._segments.risk(prediction.user_id, batch))
        if before is None:
            self._meta.users += 1
        point = encode(_point(row, before))
        batch.put(slot_key(POINT, prediction.user_id, row.points % self._history_points), point)
        row.points += 1
        batch.put(key, encode(row))
        return row

    def erase(self, user_id: str, batch: ViewBatch) -> None:
        """Deletes all that is kept of the user."""
        key = id_key(USER, user_id)
        stored = batch.get(key)
        batch.delete(id_key(EVENTS, user_id))
        if stored is None:
            return
        row = USER_ROW(stored)
        self._audience.replace(row, None)
        self._segments.move(row, None, self._segments.risk(user_id, batch))
        self._meta.users -= 1
        batch.delete(key)
        batch.delete_prefix(slots_of(POINT, user_id))

    def get(self, user_id: str) -> UserRow | None:
        """The user's row, None where there is none."""
        stored = self._store.get(id_key(USER, user_id))
        return None if stored is None else USER_ROW(stored)

    def history(self, user_id: str) -> list[HistoryPoint]:
        """The user's newest predictions, newest first."""
        points = [HISTORY_POINT(value) for _, value in self._store.scan(slots_of(POINT, user_id))]
        points.sort(key=lambda point: point.number, reverse=True)
        return points[: self._history_points]

    def listed(self, prefix: str, after: str) -> Iterator[tuple[str, UserRow]]:
        """Ids that begin with the prefix, in order, those above `after`, and their rows."""
        for key, value in self._store.scan(id_key(USER, prefix), id_key(USER, after) if after else b""):
            yield id_of(key), USER_ROW(value)


def _row(prediction: Prediction, position: str, points: int) -> UserRow:
    carried = prediction.carried_by
    return UserRow(
        prediction.prediction_id,
        prediction.caused_by,
        prediction.event_time,
        min(prediction.emitted_at, int(time.time() * 1000) + _CLOCK_SKEW_MS),
        prediction.model_version,
        prediction.state_version,
        prediction.source.partition,
        prediction.source.offset,
        prediction.items,
        prediction.item_p,
        prediction.other_p,
        prediction.categories,
        prediction.category_p,
        prediction.because,
        prediction.because_weight,
        prediction.because_other,
        (carried.attention, carried.copying, carried.following, carried.popularity),
        position,
        points,
        [_horizon_row(horizon) for horizon in prediction.horizons or ()],
        prediction.return_p or {},
    )


def _horizon_row(horizon: Horizon) -> HorizonRow:
    return HorizonRow(
        horizon.days,
        horizon.categories,
        horizon.category_p,
        horizon.items,
        horizon.item_p,
        horizon.type_p or {},
        None if horizon.spent is UNSET else horizon.spent,
    )


def _point(row: UserRow, before: UserRow | None) -> HistoryPoint:
    return HistoryPoint(
        row.points,
        row.prediction_id,
        row.event_time,
        row.emitted_at,
        row.model_version,
        row.state_version,
        row.categories,
        row.category_p,
        row.items[0] if row.items else None,
        row.item_p[0] if row.item_p else 0.0,
        0.0 if before is None else variation(row.categories, row.category_p, before.categories, before.category_p),
    )


def variation(
    names: Sequence[str], p: Sequence[float], names_before: Sequence[str], p_before: Sequence[float]
) -> float:
    """Total variation distance of two distributions over categories, of which the named ones count: 0 to 1."""
    now, before = dict(zip(names, p, strict=True)), dict(zip(names_before, p_before, strict=True))
    distance = sum(abs(now.get(name, 0.0) - before.get(name, 0.0)) for name in now.keys() | before.keys()) / 2
    return min(1.0, distance)

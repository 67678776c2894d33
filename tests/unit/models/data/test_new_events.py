"""New events from rows: those that counting by hand over the batch gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import TYPE_WEIGHT, EventBatch
from models.data.new_events import PAIR_DISTANCE, NewEvents
from models.data.timeline import Timeline
from models.data.user_state import new_user_states

_RING = 12


def after(rows: NDArray[np.void], batch: EventBatch) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Rows [U] after the batch, and how many events of it they have."""
    timeline, advanced = Timeline(batch, rows), rows.copy()
    timeline.advance(advanced)
    return advanced, timeline.count


def rows_of(users: int) -> NDArray[np.void]:
    return new_user_states(ModelConfig(history_length=_RING), users)


def test_items_before_and_weights_are_those_of_the_users_histories() -> None:
    random, rows = np.random.default_rng(0), rows_of(5)
    histories: dict[int, list[int]] = {user: [] for user in range(5)}
    for number in range(20):
        user = np.sort(random.integers(0, 5, 6))
        item, kind = random.integers(0, 30, 6), random.integers(0, 11, 6)
        rows, count = after(rows, EventBatch(user, item, kind, np.full(6, number * 1000)))
        for new, by in zip(item.tolist(), user.tolist(), strict=True):
            histories[by].append(new)
        earlier = []
        for by, new_events in enumerate(count.tolist()):
            held = histories[by][-_RING:]
            ends = range(len(held) - new_events, len(held))
            earlier += [(held[:end][::-1] + [0] * PAIR_DISTANCE)[:PAIR_DISTANCE] for end in ends]
        events = NewEvents.of(rows, count)
        assert events.item.tolist() == item.tolist()
        assert events.weight.tolist() == TYPE_WEIGHT[kind].tolist()
        assert events.earlier.tolist() == earlier


def test_of_more_new_events_than_the_ring_holds_the_newest_count() -> None:
    n = 3 * _RING
    rows, count = after(
        rows_of(1), EventBatch(np.zeros(n, np.int64), np.arange(1, n + 1), np.ones(n, np.int64), np.arange(n) * 1000)
    )
    assert count.tolist() == [n]
    events = NewEvents.of(rows, count)
    assert events.item.tolist() == list(range(n - _RING + 1, n + 1))
    assert events.earlier[-1].tolist() == list(range(n - 1, n - 1 - PAIR_DISTANCE, -1))
    assert events.earlier[0].tolist() == [0] * PAIR_DISTANCE


def test_events_of_all_users_are_in_order_of_time() -> None:
    """The batch is grouped by user; gaps are known to a power of two, so what is minutes apart is in order."""
    minute = 60_000
    user = np.array([0, 0, 0, 1, 1, 2])
    time_ms = np.array([0, 8, 32, 16, 33, 34]) * minute + 1_800_000_000_000
    rows, count = after(rows_of(3), EventBatch(user, np.array([1, 2, 5, 3, 6, 7]), np.ones(6, np.int64), time_ms))
    assert NewEvents.of(rows, count).item.tolist() == [1, 2, 3, 5, 6, 7]


def test_rows_without_new_events_give_none() -> None:
    rows, _ = after(rows_of(2), EventBatch(*(np.array([value]) for value in (1, 4, 1, 1000))))
    assert len(NewEvents.of(rows, np.zeros(2, np.int64))) == 0
    assert NewEvents.of(rows, np.array([0, 1])).item.tolist() == [4]
    assert len(NewEvents.of(rows_of(0), np.zeros(0, np.int64))) == 0

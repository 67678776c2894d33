"""Rows as they were some events ago."""

from __future__ import annotations

import numpy as np
import pytest

from models.config import ModelConfig
from models.data.earlier_rows import earlier_rows
from models.data.events import EventBatch
from models.data.seen_items import mark_seen
from models.data.timeline import Timeline
from models.data.user_state import new_user_states, ordered_history


@pytest.mark.parametrize("events", [3, 8, 30])
@pytest.mark.parametrize("later", [0, 1, 3])
def test_history_is_that_before_less_what_the_ring_has_lost(events: int, later: int) -> None:
    config = ModelConfig(history_length=8, allow_repeats=False, seen_bits=64, hidden_size=4, text="none")
    users, minute = 3, 60_000
    random = np.random.default_rng(events)
    item = np.stack([random.permutation(60)[:events] + 1 for _ in range(users)])
    kind, rows, history = random.integers(0, 11, item.shape), new_user_states(config, users), []
    for number in range(events):
        time_ms = np.full(users, 1_800_000_000_000 + number * minute)
        batch = EventBatch(np.arange(users), item[:, number], kind[:, number], time_ms)
        after = rows.copy()
        Timeline(batch, rows).advance(after)
        mark_seen(after["seen"], batch.user, batch.item)
        rows = after
        history.append(rows)
    rows["h"], rows["c"] = 1, 1
    before = earlier_rows(rows, np.array([2, 0]), np.full(2, later), np.asarray)
    held = min(events, 8) - later
    assert before["steps"].tolist() == [held, held]
    assert not before["h"].any()
    assert not before["c"].any()
    features, length = ordered_history(before, np.arange(2))
    assert length.tolist() == [held, held]
    for row, user in enumerate((2, 0)):
        first = events - later - held
        assert features.item[row, :held].tolist() == item[user, first : first + held].tolist()
        assert features.type[row, :held].tolist() == kind[user, first : first + held].tolist()
        if events > later:
            expected = history[events - later - 1][user]
            np.testing.assert_array_equal(before["seen"][row], expected["seen"])
            error_ms = int(before["last_time_ms"][row]) - int(expected["last_time_ms"])
            assert 0 <= error_ms <= later * minute / 2


def test_rows_are_left_as_they_are() -> None:
    config = ModelConfig(history_length=8, hidden_size=4, text="none")
    rows = new_user_states(config, 1)
    after = rows.copy()
    Timeline(EventBatch(*(np.array([value]) for value in (0, 4, 1, 1000))), rows).advance(after)
    same = after.copy()
    earlier_rows(after, np.array([0]), np.array([1]), np.asarray)
    np.testing.assert_array_equal(after, same)

"""The panel of users: a uniform sample, whoever is active."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.horizons.user_panel import UserPanel
from models.data.user_row import user_row_fields
from models.data.user_state import new_user_states
from state.rows import RowLayout


def rows_of(config: ModelConfig, users: NDArray[np.uint32]) -> NDArray[np.void]:
    rows = new_user_states(config, len(users))
    rows["steps"] = users
    return rows


def panel_of(config: ModelConfig, capacity: int, users: NDArray[np.uint32]) -> UserPanel:
    panel = UserPanel(capacity, new_user_states(config, 0).dtype)
    for low in range(0, len(users), 7):
        panel.put(users[low : low + 7], rows_of(config, users[low : low + 7]))
    return panel


def test_who_is_in_it_depends_on_neither_order_nor_activity(config: ModelConfig) -> None:
    users = np.arange(1, 401, dtype=np.uint32)
    once = panel_of(config, 50, users)
    often = panel_of(config, 50, np.concatenate([users[::-1], users[:200], users[:200]]))
    assert len(once) == len(often) == 50
    assert set(once.users.tolist()) == set(often.users.tolist())
    assert 10 < np.count_nonzero(once.users <= 200) < 40
    np.testing.assert_array_equal(once.rows["steps"], once.users)


def test_rows_of_a_worker_have_more_fields(config: ModelConfig) -> None:
    users = np.array([5, 6], np.uint32)
    panel = UserPanel(4, new_user_states(config, 0).dtype)
    rows = RowLayout(user_row_fields(config)).new(2)
    rows["steps"], rows["last_time_ms"] = [1, 2], [3, 4]
    panel.put(users, rows)
    assert panel.rows["steps"][:2].tolist() == [1, 2]
    assert panel.rows["last_time_ms"][:2].tolist() == [3, 4]


def test_newer_rows_replace_older_ones(config: ModelConfig) -> None:
    users = np.array([5, 6, 5], np.uint32)
    panel = UserPanel(4, new_user_states(config, 0).dtype)
    rows = rows_of(config, users)
    rows["steps"] = [1, 2, 3]
    panel.put(users, rows)
    assert dict(zip(panel.users[:2].tolist(), panel.rows["steps"][:2].tolist(), strict=True)) == {5: 3, 6: 2}


def test_forgotten_users_leave_no_row_and_others_take_their_places(config: ModelConfig) -> None:
    users = np.arange(1, 101, dtype=np.uint32)
    panel = panel_of(config, 20, users)
    gone = panel.users[:5].copy()
    panel.forget_users(gone)
    assert not np.isin(gone, panel.users).any()
    assert np.count_nonzero(panel.rows["steps"]) == 15
    others = np.arange(1001, 1101, dtype=np.uint32)
    panel.put(others, rows_of(config, others))
    assert np.count_nonzero(panel.users) == len(panel) == 20
    np.testing.assert_array_equal(panel.rows["steps"], panel.users)


def test_it_goes_on_from_its_state(config: ModelConfig) -> None:
    panel = panel_of(config, 20, np.arange(1, 101, dtype=np.uint32))
    other = UserPanel(20, panel.rows.dtype)
    state = panel.state()
    other.restore(state["rows"].view(np.uint8), state["users"].view(np.int32))
    assert set(other.users.tolist()) == set(panel.users.tolist())
    np.testing.assert_array_equal(other.rows["steps"], other.users)
    more = np.arange(200, 300, dtype=np.uint32)
    for one in (panel, other):
        one.put(more, rows_of(config, more))
    assert set(other.users.tolist()) == set(panel.users.tolist())

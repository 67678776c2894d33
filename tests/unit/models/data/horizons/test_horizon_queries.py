"""Labels that come due: never before their horizon has passed, and without what came after it."""

from __future__ import annotations

import numpy as np

from models.data.event_types import EVENT_TYPES, type_index
from models.data.horizons.horizon_days import DAY_S
from models.data.horizons.horizon_queries import NOT_RETURNED, Queries, WaitingQueries

DAY_MS = DAY_S * 1000
PURCHASE = type_index("purchase")


def queries(users: list[int], time_ms: int) -> Queries:
    count = len(users)
    return Queries(
        np.array(users, np.uint32),
        np.full(count, time_ms),
        np.zeros(count),
        np.zeros((count, 2), np.float16),
        np.zeros((count, 3), np.float32),
        np.zeros((count, 3, 2), np.float32),
        np.full(count, NOT_RETURNED),
        np.zeros((count, 3, len(EVENT_TYPES)), np.bool_),
        np.zeros((count, 3), np.float32),
    )


def returns(waiting: WaitingQueries, *events: tuple[int, int]) -> None:
    users, times = zip(*events, strict=True)
    count = len(users)
    waiting.note_events(
        np.array(users, np.uint32), np.array(times, np.int64), np.full(count, PURCHASE), np.full(count, 10.0)
    )


def test_a_label_comes_due_once_its_horizon_has_passed_and_only_then() -> None:
    waiting = WaitingQueries(2, 3, 2)
    waiting.add(queries([1, 2], 0))
    assert [len(due) for due in waiting.take_due(DAY_MS)] == [0, 0, 0]  # events of that very moment may still come
    assert [len(due) for due in waiting.take_due(DAY_MS + 1)] == [2, 0, 0]
    assert [len(due) for due in waiting.take_due(DAY_MS + 1)] == [0, 0, 0]
    assert [len(due) for due in waiting.take_due(31 * DAY_MS)] == [0, 2, 2]
    assert len(waiting) == 0


def test_what_happens_after_the_horizon_is_not_told() -> None:
    waiting = WaitingQueries(2, 3, 2)
    waiting.add(queries([1, 2, 3], 0))
    returns(waiting, (1, 2 * DAY_MS), (2, DAY_MS // 2))
    returns(waiting, (1, 3 * DAY_MS))
    day, week, month = waiting.take_due(40 * DAY_MS)
    assert day.return_s.tolist() == [NOT_RETURNED, DAY_S / 2, NOT_RETURNED]
    assert week.return_s.tolist() == month.return_s.tolist() == [2 * DAY_S, DAY_S / 2, NOT_RETURNED]


def test_types_and_spending_are_those_within_each_horizon() -> None:
    waiting = WaitingQueries(2, 3, 2)
    waiting.add(queries([1, 2], 0))
    returns(waiting, (1, DAY_MS // 2), (1, 2 * DAY_MS), (1, 40 * DAY_MS), (3, DAY_MS))
    waiting.note_events(np.array([2], np.uint32), np.array([3 * DAY_MS]), np.array([0]), np.array([7.0]))
    due = waiting.take_due(60 * DAY_MS)[2]
    assert due.spent.tolist() == [[10, 20, 20], [0, 0, 0]]
    assert due.types[:, :, PURCHASE].tolist() == [[True, True, True], [False, False, False]]
    assert due.types[:, :, 0].tolist() == [[False, False, False], [False, True, True]]
    assert due.return_s.tolist() == [DAY_S / 2, 3 * DAY_S]


def test_an_event_before_the_question_is_no_return() -> None:
    waiting = WaitingQueries(2, 3, 2)
    waiting.add(queries([1], DAY_MS))
    returns(waiting, (1, DAY_MS), (9, 2 * DAY_MS))
    assert waiting.take_due(9 * DAY_MS)[1].return_s.tolist() == [NOT_RETURNED]


def test_forgotten_users_are_no_longer_asked_about_and_others_come_due_as_before() -> None:
    waiting = WaitingQueries(2, 3, 2)
    waiting.add(queries([1, 2], 0))
    waiting.add(queries([1, 3], DAY_MS))
    assert [len(due) for due in waiting.take_due(2 * DAY_MS)] == [2, 0, 0]
    waiting.forget_users(np.array([1], np.uint32))
    assert [due.user.tolist() for due in waiting.take_due(9 * DAY_MS)] == [[3], [2, 3], []]


def test_they_go_on_from_their_state() -> None:
    waiting, other = WaitingQueries(2, 3, 2), WaitingQueries(2, 3, 2)
    waiting.add(queries([1, 2], 0))
    waiting.take_due(2 * DAY_MS)
    other.restore(waiting.state())
    returns(other, (2, 3 * DAY_MS))
    assert [len(due) for due in other.take_due(8 * DAY_MS)] == [0, 2, 0]
    narrow = WaitingQueries(5, 3, 2)
    narrow.restore(waiting.state())
    assert len(narrow) == 0

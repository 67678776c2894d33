from typing import Any

import pytest

from streams.experiments.reward_order import Horizon, RewardOrder, is_countable
from tests.unit.streams.experiments.rewards import HORIZON_MS, START_MS, reward


def test_a_reward_that_came_early_waits_until_those_without_feedback_have_come() -> None:
    order = RewardOrder()
    order.add(reward("early", 1.0, time=START_MS + 10, closed="feedback", closed_at=START_MS + 500))
    assert list(order.due()) == []
    order.add(reward("late", 0.0, time=START_MS))
    assert list(order.due()) == []  # others of that millisecond may come
    order.add(reward("later", 0.0, time=START_MS + 20))
    assert [due.user_id for due in order.due()] == ["late", "early"]
    assert list(order.due()) == []


def test_time_passes_without_records() -> None:
    order = RewardOrder()
    order.add(reward("u", 1.0, closed="feedback", closed_at=START_MS + 5))
    order.close(START_MS)
    assert list(order.due()) == []
    order.close(START_MS + 1)
    assert [due.user_id for due in order.due()] == ["u"]


def test_a_decision_counts_once() -> None:
    order, twice = RewardOrder(), reward("u", 1.0)
    order.add(twice)
    order.add(twice)
    order.close(START_MS + 1)
    assert len(list(order.due())) == 1
    order.add(twice)
    assert list(order.due()) == []
    assert order.repeated == 2


def test_the_horizon_is_that_of_the_newest_reward_that_was_closed_by_it() -> None:
    horizon = Horizon()
    horizon.observe(reward("u", 1.0, closed="feedback", closed_at=START_MS + 5))
    assert horizon.ms == 3_600_000
    horizon.observe(reward("u", 0.0))
    assert horizon.ms == HORIZON_MS


@pytest.mark.parametrize(
    ("value", "fields", "countable"),
    [
        (1.0, {}, True),
        (-1e6, {}, True),
        (1e308, {}, False),
        (1.0, {"time": START_MS * 1000}, False),  # in microseconds
        (1.0, {"time": -1}, False),
        (1.0, {"closed_at": START_MS - 1}, True),  # by another machine's clock
        (1.0, {"closed_at": START_MS * 1000}, False),
    ],
)
def test_what_can_be_no_reward_is_not_counted(value: float, fields: dict[str, Any], countable: bool) -> None:
    assert is_countable(reward("u", value, **fields), START_MS + HORIZON_MS) is countable

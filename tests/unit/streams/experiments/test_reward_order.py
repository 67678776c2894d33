from streams.experiments.reward_order import Horizon, RewardOrder
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

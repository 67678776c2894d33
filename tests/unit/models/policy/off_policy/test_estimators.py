from dataclasses import replace

import numpy as np
import pytest

from models.policy.off_policy.estimators import (
    ESTIMATORS,
    clipped,
    doubly_robust,
    effective_sample_size,
    inverse_propensity,
    self_normalised,
    switch_doubly_robust,
)
from models.policy.off_policy.intervals import estimate
from models.policy.off_policy.logged_rewards import LoggedRewards

# Three decisions of one place: rewards, logged and target propensities, and a model.
TABLE = LoggedRewards(
    np.array([[1.0], [0.0], [1.0]]),
    np.array([[0.5], [0.25], [0.1]]),
    np.array([[0.25], [0.5], [0.4]]),
    np.array([[0.5], [0.5], [0.25]]),
    np.array([[0.375], [0.375], [0.375]]),
)  # weights 1/2, 2, 4


def test_estimators_by_hand() -> None:
    assert inverse_propensity(TABLE).value() == pytest.approx((0.5 + 4) / 3)
    assert self_normalised(TABLE).value() == pytest.approx((0.5 + 4) / 6.5)
    assert clipped(TABLE, 3).value() == pytest.approx((0.5 + 3) / 3)
    assert doubly_robust(TABLE).value() == pytest.approx(0.375 + (0.25 - 1 + 3) / 3)
    assert switch_doubly_robust(TABLE, 3).value() == pytest.approx(0.375 + (0.25 - 1) / 3)
    assert effective_sample_size(TABLE) == pytest.approx(6.5**2 / (0.25 + 4 + 16))


def test_weights_of_a_slate_are_products_up_to_the_place() -> None:
    two = LoggedRewards(
        np.array([[1.0, 1.0]]),
        np.array([[0.5, 0.2]]),
        np.array([[0.25, 0.4]]),
        np.zeros((1, 2)),
        np.array([[0.3, 0.1]]),
    )
    assert two.weights.tolist() == [[0.5, 1.0]]
    assert inverse_propensity(two).value() == pytest.approx(1.5)
    # The expectation at the second place weighs as the first place's choice does.
    assert doubly_robust(two).value() == pytest.approx(0.3 + 0.5 + 0.5 * 0.1 + 1.0)


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "switch_dr"])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    random = np.random.default_rng(0)
    p, target, logged = np.array([0.1, 0.3, 0.5]), np.array([0.1, 0.2, 0.7]), np.array([0.5, 0.3, 0.2])
    truth, held = float(p @ target), 0
    for _ in range(100):
        action = random.choice(3, 400, p=logged)
        rewards = (random.random(400) < p[action]) * 1.0
        model = np.array([0.2, 0.2, 0.6])  # not the truth
        data = LoggedRewards(
            rewards[:, None],
            logged[action][:, None],
            target[action][:, None],
            model[action][:, None],
            np.full((400, 1), model @ target),
        )
        result = estimate(name, data, random, resamples=200)
        held += result.low <= truth <= result.high
    assert 86 <= held <= 100


def test_decisions_of_a_user_are_resampled_together() -> None:
    random = np.random.default_rng(0)
    same = np.repeat(random.random((20, 1)), 50, axis=0)  # 20 users, 50 equal decisions each
    ones = np.ones(same.shape)
    data = LoggedRewards(same, ones, ones, 0 * ones, 0 * ones)
    narrow = estimate("ips", data, random)
    wide = estimate("ips", replace(data, cluster=np.repeat(np.arange(20), 50)), random)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)


def test_a_policy_that_would_show_nothing_of_the_log_has_no_estimate_but_zero() -> None:
    nothing = replace(TABLE, target=np.zeros((3, 1)))
    for name in ("ips", "snips", "clipped"):
        assert ESTIMATORS[name](nothing).value() == 0
    assert effective_sample_size(nothing) == 0

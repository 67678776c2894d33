"""Estimates against closed forms on small tables."""

import numpy as np
import pytest

from models.experiments.confidence_sequence import difference, mixture_rate, radius
from models.experiments.cuped import adjusted
from models.experiments.guardrails import Bound, crosses
from models.experiments.moments import Estimate, estimate, products, user_rows
from models.experiments.msprt import always_valid_p, log_likelihood_ratio
from models.experiments.sample_ratio import log_bayes_factor


def test_reward_per_decision_has_the_variance_of_a_ratio() -> None:
    decisions, reward = np.array([1.0, 2, 4, 1]), np.array([0.0, 1, 3, 1])
    of = estimate(products(user_rows(decisions, reward)).sum(axis=0))
    assert float(of.mean) == pytest.approx(5 / 8)
    residual = reward - 5 / 8 * decisions
    assert float(of.variance) == pytest.approx(4 / 3 * (residual**2).sum() / 64)
    same = estimate(products(user_rows(np.ones(4), reward)).sum(axis=0))
    assert float(same.variance) == pytest.approx(np.var(reward, ddof=1) / 4)


def test_fewer_than_two_users_have_no_variance() -> None:
    of = estimate(np.stack([np.zeros((4, 4)), products(user_rows(3, 1))]))
    assert np.isnan(of.variance).all()


def test_moments_change_by_a_users_new_decision() -> None:
    before, after = user_rows(3, 1.0, 0.2), user_rows(4, 2.0, 0.2)
    other = products(user_rows(1, 1.0, 0.1))
    moments = other + products(before)
    moments += products(after) - products(before)
    assert moments == pytest.approx(other + products(after))


def test_a_covariate_is_a_regression() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 500))
    reward = 0.3 + 0.8 * x + 0.1 * random.standard_normal((2, 500)) + np.array([[0.0], [0.2]])
    moments = products(user_rows(np.ones((2, 500)), reward, x)).sum(axis=1)
    of, plain = adjusted(moments), estimate(moments)
    inside = x - x.mean(axis=1, keepdims=True)
    theta = (inside * reward).sum() / (inside**2).sum()
    expected = (reward - theta * (x - x.mean())).mean(axis=1)
    assert of.mean == pytest.approx(expected)
    residual = reward - theta * x
    assert of.variance == pytest.approx(residual.var(axis=1, ddof=1) / 500)
    assert (of.variance < 0.05 * plain.variance).all()


@pytest.mark.parametrize("x", [0.0, 0.7])
def test_a_covariate_that_all_share_changes_nothing(x: float) -> None:
    rows = user_rows(np.array([[1.0, 2, 3], [2, 2, 1]]), np.array([[0.0, 2, 1], [1, 1, 0]]), x)
    moments = products(rows).sum(axis=1)
    assert adjusted(moments).mean == pytest.approx(estimate(moments).mean)
    assert adjusted(moments).variance == pytest.approx(estimate(moments).variance)


def test_the_radius_is_least_at_the_expected_users() -> None:
    rates = np.geomspace(mixture_rate(0.05, 1000) / 30, mixture_rate(0.05, 1000) * 30, 301)
    widths = [float(radius(1.0, 1000, 0.05, rate)) for rate in rates]
    assert widths[150] == pytest.approx(min(widths), rel=0.002)
    assert float(radius(0.01, 1000, 0.05, rates[150])) == pytest.approx(widths[150] / 10)


def test_the_likelihood_ratio_is_that_of_a_normal_mixture() -> None:
    variance, tau2, difference = 0.04, 0.3, 0.5
    of = Estimate(np.array(difference), np.array(variance), np.array(100.0))
    grid = np.linspace(-8, 8, 160_001)
    prior = np.exp(-(grid**2) / (2 * tau2)) / np.sqrt(2 * np.pi * tau2)
    likelihood = np.exp(-((difference - grid) ** 2) / (2 * variance) + difference**2 / (2 * variance))
    mixture = (prior * likelihood).sum() * (grid[1] - grid[0])
    assert float(log_likelihood_ratio(of, tau2 / variance / 100)) == pytest.approx(np.log(mixture))
    assert always_valid_p(np.log(40)) == pytest.approx(1 / 40)
    assert always_valid_p(-3.0) == 1.0


def test_the_evidence_of_a_sample_ratio_is_a_ratio_of_probabilities() -> None:
    # With a uniform prior, each number of users in the first arm out of n has the probability 1 / (n + 1).
    expected = 1 / 11 / (120 * 0.5**10)  # 120 ways to have 3 of 10
    assert log_bayes_factor((3, 7), (1, 1), concentration=2) == pytest.approx(np.log(expected))
    assert log_bayes_factor((0, 0), (2, 1)) == 0.0


def test_a_guardrail_is_crossed_when_all_that_is_possible_is_too_harmful() -> None:
    def arm(mean: float) -> Estimate:
        return Estimate(np.array(mean), np.array(1e-4), np.array(1000.0))

    rate, control = mixture_rate(0.05, 2000), arm(0.5)
    assert float(radius(difference(control, control).variance, 2000, 0.05, rate)) < 0.06
    assert crosses(Bound("decrease"), arm(0.4), control, 0.05, rate)
    assert not crosses(Bound("decrease"), arm(0.47), control, 0.05, rate)
    assert not crosses(Bound("decrease", 0.1), arm(0.4), control, 0.05, rate)
    assert not crosses(Bound("decrease"), arm(0.6), control, 0.05, rate)
    assert crosses(Bound("increase", 0.03), arm(0.6), control, 0.05, rate)
    assert not crosses(Bound("increase"), Estimate(*[np.array(v) for v in (9.0, np.nan, 1.0)]), control, 0.05, rate)

"""False positives and power of the tests under continuous monitoring, by simulation with a seed."""

import numpy as np
import pytest

from models.experiments.comparison import Comparison, compare
from models.experiments.confidence_sequence import difference, interval, mixture_rate
from models.experiments.cuped import adjusted
from models.experiments.moments import Estimate, FloatArray, estimate, products, user_rows
from models.experiments.msprt import log_likelihood_ratio
from models.experiments.sample_ratio import log_bayes_factor
from tests.unit.models.experiments.populations import arrivals

ALPHA = 0.05
FIRST_LOOK = 10  # of tens of users in each arm
RATE = mixture_rate(ALPHA, 1500)


def arms(of: Estimate) -> tuple[Estimate, Estimate]:
    first, second = (Estimate(of.mean[..., arm], of.variance[..., arm], of.users[..., arm]) for arm in (0, 1))
    return first, second


def ever_decided(moments: FloatArray, with_cuped: bool = False) -> float:
    """Share of the experiments [E, T, 2, 4, 4] whose confidence sequence ever leaves 0 out."""
    of = adjusted(moments) if with_cuped else estimate(moments)
    low, high = interval(difference(*reversed(arms(of))), ALPHA, RATE)
    return float(((low > 0) | (high < 0))[:, FIRST_LOOK:].any(axis=1).mean())


def ever_significant(moments: FloatArray) -> float:
    """The same by a test of fixed size, looked at as often."""
    delta = difference(*arms(estimate(moments)))
    return float((np.abs(delta.mean) > 1.96 * np.sqrt(delta.variance))[:, FIRST_LOOK:].any(axis=1).mean())


@pytest.fixture(scope="module")
def alike() -> FloatArray:
    return arrivals(np.random.default_rng(1), 400, 1000, (0.1, 0.1), spread=0.8)


@pytest.fixture(scope="module")
def better() -> FloatArray:
    return arrivals(np.random.default_rng(2), 200, 1500, (0.1, 0.14), spread=0.8)


def test_one_look_after_the_other_errs_less_than_alpha(alike: FloatArray) -> None:
    assert ever_decided(alike) <= ALPHA
    assert ever_decided(alike, with_cuped=True) <= ALPHA
    assert ever_significant(alike) > 3 * ALPHA  # so it is not too easy


def test_the_truth_is_covered_at_all_times() -> None:
    moments = arrivals(np.random.default_rng(3), 300, 1000, (0.1, 0.2), spread=0.5)
    low, high = interval(estimate(moments[:, FIRST_LOOK:, 1]), ALPHA, mixture_rate(ALPHA, 1000))
    truth = 0.2
    assert 1 - ((low <= truth) & (truth <= high)).all(axis=1).mean() <= ALPHA


def test_a_difference_is_found(better: FloatArray) -> None:
    assert ever_decided(better) > 0.85
    of = estimate(better[:, 74])  # half way
    with_cuped = adjusted(better[:, 74])
    assert (with_cuped.variance < 0.95 * of.variance).mean() > 0.95


def test_the_mixture_test_rejects_where_the_sequence_leaves_zero_out(better: FloatArray) -> None:
    delta = difference(*arms(estimate(better)))
    low, high = interval(delta, ALPHA, RATE)
    assert np.array_equal((low > 0) | (high < 0), log_likelihood_ratio(delta, RATE) > -np.log(ALPHA))


def test_decisions_of_the_same_users_are_no_new_users() -> None:
    random = np.random.default_rng(4)
    experiments, users, steps = 300, 100, 60
    rate_of_user = random.beta(1, 4, (experiments, users, 2))
    reward = random.binomial(5, rate_of_user[:, None], (experiments, steps, users, 2)).cumsum(axis=1)
    decisions = np.broadcast_to(5 * np.arange(1, steps + 1)[None, :, None, None], reward.shape)
    moments = products(user_rows(decisions, reward)).sum(axis=2)  # [E, T, 2, 4, 4]
    assert ever_decided(moments) <= ALPHA
    # Each decision as a user of its own:
    total = moments[..., 0, 1]
    ones, rewarded = total, moments[..., 0, 2]
    naive = Estimate(rewarded / ones, rewarded / ones * (1 - rewarded / ones) / ones, ones)
    low, high = interval(difference(*arms(naive)), ALPHA, mixture_rate(ALPHA, 30_000))
    assert ((low > 0) | (high < 0)).any(axis=1).mean() > 5 * ALPHA


def test_a_sample_ratio_is_found_wrong_only_where_it_is() -> None:
    random = np.random.default_rng(5)
    for share, (least, most) in {0.5: (0.0, ALPHA), 0.46: (0.9, 1.0)}.items():
        first = random.binomial(10, share, (200, 400)).cumsum(axis=1)
        results = [
            any(log_bayes_factor((one, 10 * (step + 1) - one), (1, 1)) > -np.log(ALPHA) for step, one in enumerate(run))
            for run in first.tolist()
        ]
        assert least <= np.mean(results) <= most, share


def test_the_winner_is_better_than_each_other_active_arm() -> None:
    random = np.random.default_rng(6)
    arm_rates = (0.1, 0.2, 0.3)
    moments = np.stack(
        [products(user_rows(np.full(800, 3), random.binomial(3, rate, 800))).sum(axis=0) for rate in arm_rates]
    )

    def result(min_users: int = 100, active: tuple[bool, ...] = (True, True, True), scale: int = 1) -> Comparison:
        return compare(scale * moments, control=0, alpha=ALPHA, expected_users=2400, min_users=min_users, active=active)

    results = result()
    assert results.winner == 2
    assert results.arms[0].difference == 0.0
    for arm, rate in zip(results.arms, arm_rates, strict=True):
        assert arm.low < rate < arm.high
    assert min(arm.difference_low for arm in results.arms[1:]) > 0
    assert result(active=(True, True, False)).winner == 1
    assert result(min_users=801).winner is None
    assert result(scale=0).winner is None

"""Return by the network's hazard and chained steps, corrected as labels come due."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data.horizons.activity import RECENCY_FEATURES
from models.data.horizons.horizon_days import DAY_S, HORIZON_DAYS
from models.experts.horizons.online_logistic import logit
from models.experts.horizons.return_mixture import STEP_BEGIN_S, STEP_END_S, ReturnMixture

DAILY = 0.03
"""Chance of a return on each day, the same for all"""


def of_rate(daily: float, users: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Features of nothing but 1, and the logits of a hazard that is right."""
    recency = np.zeros((users, len(STEP_BEGIN_S), RECENCY_FEATURES))
    recency[:, :, 0] = 1
    by_days = [logit(1 - (1 - daily) ** days) for days in ((STEP_END_S - STEP_BEGIN_S) / DAY_S, np.array(HORIZON_DAYS))]
    steps, network = (np.tile(logits, (users, 1)) for logits in by_days)
    return recency, steps, network


def p_of(mixture: ReturnMixture, daily: float) -> NDArray[np.float64]:
    recency, steps, network = of_rate(daily, 1)
    (p,) = mixture.probabilities(mixture.logits(recency, steps, network))
    return np.asarray(p)


def test_without_labels_it_is_the_hazard_whose_steps_make_the_horizons() -> None:
    np.testing.assert_allclose(p_of(ReturnMixture(), DAILY), 1 - (1 - DAILY) ** np.array(HORIZON_DAYS), rtol=1e-6)


def test_labels_of_a_day_change_what_is_expected_of_a_month_before_its_own_are_due() -> None:
    mixture, random = ReturnMixture(), np.random.default_rng(0)
    before = p_of(mixture, DAILY)
    recency, steps, network = of_rate(DAILY, 500)
    for _ in range(40):
        logits = mixture.logits(recency, steps, network)
        for horizon, p in ((0, 3 * DAILY), (1, 1 - (1 - 3 * DAILY) ** 7)):
            mixture.fit(horizon, recency[:, 0], logits[:, horizon], random.random(500) < p)
    day, week, month = p_of(mixture, DAILY)
    assert day == pytest.approx(3 * DAILY, abs=0.015)
    assert week == pytest.approx(1 - (1 - 3 * DAILY) ** 7, abs=0.04)
    assert not mixture.regressions.labels[2]
    assert month > before[2] + 0.15
    assert day <= week <= month


def test_a_change_shows_in_a_week_once_it_shows_in_a_day() -> None:
    """After a long time in which the hazard is right, users come back half as often."""
    mixture, random = ReturnMixture(), np.random.default_rng(2)
    recency, steps, network = of_rate(DAILY, 1000)
    logits = mixture.logits(recency, steps, network)
    for _ in range(100):
        for horizon, days in enumerate(HORIZON_DAYS):
            mixture.fit(horizon, recency[:, 0], logits[:, horizon], random.random(1000) < 1 - (1 - DAILY) ** days)
    before = p_of(mixture, DAILY)
    np.testing.assert_allclose(before, 1 - (1 - DAILY) ** np.array(HORIZON_DAYS), atol=0.02)
    for _ in range(10):
        logits = mixture.logits(recency, steps, network)
        mixture.fit(0, recency[:, 0], logits[:, 0], random.random(1000) < DAILY / 2)
    after = p_of(mixture, DAILY)
    assert (after[:2] < before[:2] - [0.004, 0.02]).all()
    mixture._newest[:] = 0
    assert (after[:2] < p_of(mixture, DAILY)[:2] - [0.002, 0.015]).all()


def test_what_is_always_wrong_about_the_chained_steps_is_corrected() -> None:
    """Users return once on one day or never: after the steps of a week, those of a month add nothing."""
    mixture, random = ReturnMixture(), np.random.default_rng(1)
    recency, steps, network = of_rate(DAILY, 2000)
    for _ in range(100):
        logits = mixture.logits(recency, steps, network)
        for horizon in range(3):
            mixture.fit(horizon, recency[:, 0], logits[:, horizon], random.random(2000) < 0.2)
    assert mixture.logits(recency, steps, network)[0, 2, 1] > logit(np.array([0.45]))[0]
    assert p_of(mixture, DAILY)[2] == pytest.approx(0.2, abs=0.03)


def test_it_goes_on_from_its_state() -> None:
    first, second = ReturnMixture(), ReturnMixture()
    recency, steps, network = of_rate(DAILY, 50)
    returned = np.arange(50) < 9
    logits = first.logits(recency, steps, network)
    first.fit(0, recency[:, 0], logits[:, 0], returned)
    second.restore(first.state())
    for mixture in (first, second):
        mixture.fit(0, recency[:, 0], logits[:, 0], returned)
    np.testing.assert_array_equal(p_of(first, DAILY), p_of(second, DAILY))
    with pytest.raises(ValueError, match="regressions of shape"):
        first.restore({**first.state(), "regressions.weights": np.zeros((3, 2))})

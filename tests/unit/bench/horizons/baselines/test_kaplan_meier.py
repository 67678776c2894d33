from __future__ import annotations

import numpy as np

from bench.horizons.baselines.kaplan_meier import KaplanMeier, SurvivalCurve
from bench.horizons.questions import Gaps, Questions
from tests.unit.bench.horizons.small_log import DAY_S, log_of


def test_the_product_limit_estimate_of_a_textbook_example() -> None:
    gap = np.array([6.0, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35])
    observed = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], np.bool_)
    curve = SurvivalCurve(gap, observed)
    np.testing.assert_allclose(
        curve.survival_of(np.array([5.0, 6, 7, 10, 13, 16, 22, 40])),
        [1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448],
        atol=5e-4,
    )


def test_the_silence_conditions_the_curve_of_the_users_frequency() -> None:
    events = [(day, 0) for day in range(0, 40, 2)] + [(0, user) for user in range(1, 9)]
    log = log_of(sorted(events))
    now_ms = 40 * DAY_S * 1000
    model = KaplanMeier(Gaps.until(log, now_ms), 3 * DAY_S)
    p = model.return_p(Questions.ask(log, 38 * DAY_S * 1000))
    assert p[0] > 0.8
    assert p[1:].max() < 0.2

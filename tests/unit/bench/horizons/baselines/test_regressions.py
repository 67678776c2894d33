"""Recency and frequency, and own gaps: probabilities of who comes back and who does not."""

from __future__ import annotations

import numpy as np
import pytest

from bench.horizons.baselines.gap_quantile import GapQuantile
from bench.horizons.baselines.recency_frequency import RecencyFrequency
from bench.horizons.metrics import auc
from bench.horizons.questions import Questions
from tests.unit.bench.horizons.small_log import DAY_S, log_of, purchases

HORIZON_S = 30.0 * DAY_S


@pytest.mark.parametrize("name", ["recency_frequency", "gap_quantile"])
def test_a_baseline_tells_customers_from_those_who_left(name: str) -> None:
    log = log_of(purchases(users=80))
    training, test = (
        Questions.concatenate([Questions.ask(log, day * DAY_S * 1000) for day in days])
        for days in (range(100, 250, 10), range(300, 450, 30))
    )
    model = (
        RecencyFrequency(training, HORIZON_S) if name == "recency_frequency" else GapQuantile(log, training, HORIZON_S)
    )
    p, returned = model.return_p(test), test.returned(HORIZON_S)
    assert auc(p, returned) > 0.85
    assert abs(p.mean() - returned.mean()) < 0.1
    assert np.isfinite(p).all()

from __future__ import annotations

import numpy as np

from bench.horizons.lead_time import final_days, lead_times
from bench.horizons.logs import SCHEDULES, HorizonLog
from bench.horizons.measurement import Predicted, ReturnMeasurement
from bench.quality.datasets import Dataset
from tests.unit.bench.horizons.small_log import DAY_S, log_of


def test_a_silence_is_flagged_at_the_first_question_below_the_threshold() -> None:
    """User 1 leaves on day 370, user 2 comes back after 60 days, the others come always."""
    always = [(day, user) for day in range(0, 546, 5) for user in (0, 3, 4, 5, 6, 7)]
    events = [(0, 1), *always, (370, 1), (370, 2), (430, 2)]
    log = log_of(sorted(events))
    dataset = Dataset("log", log, 8, [""], [""], [()], True, np.ones(8, np.bool_))
    measurement = ReturnMeasurement(HorizonLog("log", dataset, SCHEDULES["cdnow"]))
    assert final_days(measurement) == 90
    test, training = measurement.test, measurement.training
    recent = test.silent_s / DAY_S
    measurement.predicted = {
        "recency": Predicted(np.where(training.user == 0, 0.5, 0.0), np.where(recent > 20, 0.1, 0.9)),
        "never": Predicted(np.full(len(training), 0.5), np.full(len(test), 0.9)),
    }
    lead = lead_times(measurement)
    # The silence of user 1 was asked about on days 380, 395 (25 days silent), …; user 2's second began on day 430.
    assert sorted(lead["recency"].tolist()) == [90 - 25, 90 - 25]
    assert lead["never"].tolist() == [-np.inf, -np.inf]

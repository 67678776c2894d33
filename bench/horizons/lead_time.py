"""Warning lead time: how many days before a silence became final was its user flagged, at a fixed false alarm rate."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.horizons.measurement import ReturnMeasurement
from models.data.horizons import DAY_S

FALSE_ALARM_RATE: Final = 0.1
"""Share of the questions about users who did return within the horizon that are flagged, on the training days"""


def lead_times(measurement: ReturnMeasurement) -> dict[str, NDArray[np.float64]]:
    """By scorer, [m] days between the first flag of a silence and its end as final; -inf where it was not flagged.

    Final is a silence of `final_days`. It is flagged at the first question at which the probability of return is below
    the threshold. Only silences that begin within the scored days, and last as long, are counted.
    """
    test, horizon_s, final_s = measurement.test, measurement.horizon_s, final_days(measurement) * DAY_S
    begin_ms = test.time_ms - np.round(test.silent_s * 1000).astype(np.int64)
    lasted = test.silent_s + test.next_s >= final_s
    begins_here = begin_ms >= int(measurement.log.test_ms[0])
    counted = lasted & begins_here & (test.silent_s < final_s)
    silence = np.unique(np.stack([test.user, begin_ms])[:, counted], axis=1)  # [2, m]
    key = _keys(test.user, begin_ms)
    wanted = _keys(silence[0], silence[1])
    order = np.argsort(wanted)
    in_training = measurement.training.returned(horizon_s)
    result = {}
    for name, p in measurement.predicted.items():
        threshold = np.quantile(p.training[in_training], FALSE_ALARM_RATE)
        flagged = np.flatnonzero((p.test <= threshold) & begins_here & lasted)
        first = np.full(len(wanted), np.inf)
        place = np.searchsorted(wanted[order], key[flagged]).clip(max=max(len(wanted) - 1, 0))
        if len(wanted):
            place = order[place]
            same = wanted[place] == key[flagged]
            np.minimum.at(first, place[same], test.silent_s[flagged][same])
        result[name] = (final_s - first) / DAY_S
    return result


def final_days(measurement: ReturnMeasurement) -> int:
    """After how many days a silence is final: three horizons, or as many as there are scored days."""
    days, test = measurement.log.schedule.horizon_days, measurement.log.schedule.test
    return int(max(days, min(3 * days, test.last - test.first)))


def _keys(user: NDArray[np.int64], begin_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number of each silence."""
    return user * (1 << 42) + begin_ms % (1 << 42)

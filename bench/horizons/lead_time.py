"""Warning lead time: how many days before a silence became final was its user flagged, at a fixed false alarm rate."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.horizons.measurement import ReturnMeasurement
from models.data.horizons.horizon_days import DAY_S

FALSE_ALARM_RATE: Final = 0.1
"""Share of the questions about users who do return within the horizon that are flagged, at most: the same for all"""


def lead_times(measurement: ReturnMeasurement) -> dict[str, NDArray[np.float64]]:
    """By scorer, [m] days between the first flag of a silence and its end as final; -inf where it was not flagged.

    Final is a silence of `final_days`. It is flagged at the first question at which the probability of return is as low
    as FALSE_ALARM_RATE allows. Only silences that begin within the scored days, and last as long, are counted.
    """
    test, final_s = measurement.test, final_days(measurement) * DAY_S
    begin_ms = test.time_ms - np.round(test.silent_s * 1000).astype(np.int64)
    lasted = test.silent_s + test.next_s >= final_s
    begins_here = begin_ms >= int(measurement.log.test_ms[0])
    counted = lasted & begins_here & (test.silent_s < final_s)
    silence = np.unique(np.stack([test.user, begin_ms])[:, counted], axis=1)  # [2, m]
    key = _keys(test.user, begin_ms)
    wanted = _keys(silence[0], silence[1])
    order = np.argsort(wanted)
    returned = measurement.labels
    result = {}
    for name, p in measurement.predicted.items():
        is_low = _is_low(p.test, returned)
        flagged = np.flatnonzero(is_low & begins_here & lasted)
        first = np.full(len(wanted), np.inf)
        place = np.searchsorted(wanted[order], key[flagged]).clip(max=max(len(wanted) - 1, 0))
        if len(wanted):
            place = order[place]
            same = wanted[place] == key[flagged]
            np.minimum.at(first, place[same], test.silent_s[flagged][same])
        result[name] = (final_s - first) / DAY_S
    return result


def _is_low(p: NDArray[np.float64], returned: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[n] whether a probability is so low that no more than FALSE_ALARM_RATE of who returned are as low."""
    threshold = np.quantile(p[returned], FALSE_ALARM_RATE, method="lower")
    low: NDArray[np.bool_] = p <= threshold
    return low if low[returned].mean() <= FALSE_ALARM_RATE else p < threshold


def final_days(measurement: ReturnMeasurement) -> int:
    """After how many days a silence is final: three horizons, or as many as there are scored days."""
    days, test = measurement.log.schedule.horizon_days, measurement.log.schedule.test
    return int(max(days, min(3 * days, test.last - test.first)))


def _keys(user: NDArray[np.int64], begin_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number of each silence."""
    return user * (1 << 42) + begin_ms % (1 << 42)

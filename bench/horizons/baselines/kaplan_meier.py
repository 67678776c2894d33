"""Kaplan-Meier curves of the time to a user's next event, by the user's frequency; recency conditions them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.horizons.questions import Gaps, Questions

FREQUENCIES = np.array([1, 2, 3, 4, 7, 12])
"""Least events of each class of frequency"""

_MIN_P = 1e-3


class SurvivalCurve:
    """S(t): share of gaps longer than t, from observed and censored gaps (product-limit estimate)."""

    def __init__(self, gap: NDArray[np.float64], is_observed: NDArray[np.bool_]) -> None:
        times, index = np.unique(gap, return_inverse=True)
        ended = np.bincount(index, is_observed, len(times))
        left = np.bincount(index, minlength=len(times))
        at_risk = len(gap) - (np.cumsum(left) - left)
        self.times = times
        """[k] rising"""
        self.survival = np.cumprod(1 - ended / at_risk) if len(times) else np.zeros(0)
        """[k] after each of them"""

    def survival_of(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """S of these times."""
        before = np.searchsorted(self.times, time, side="right")
        return np.append(1.0, self.survival)[before]


class KaplanMeier:
    """A curve for each class of frequency, from the gaps that were known at a time."""

    def __init__(self, gaps: Gaps, horizon_s: float) -> None:
        frequency = _class(gaps.number)
        self._horizon_s = horizon_s
        self.curves = [
            SurvivalCurve(gaps.gap_s[frequency == number], gaps.is_observed[frequency == number])
            for number in range(len(FREQUENCIES))
        ]
        """By class of frequency"""

    def return_p(self, questions: Questions) -> NDArray[np.float64]:
        """[n] 1 - S(silence + horizon) / S(silence)."""
        p = np.zeros(len(questions))
        frequency = _class(questions.events)
        for number, curve in enumerate(self.curves):
            asked = frequency == number
            now, then = (curve.survival_of(questions.silent_s[asked] + more) for more in (0.0, self._horizon_s))
            p[asked] = 1 - np.divide(then, now, out=np.ones_like(now), where=now > 0)
        return p.clip(_MIN_P, 1 - _MIN_P)  # at the end of a curve no gap is left to tell


def _class(events: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(FREQUENCIES, events, side="right") - 1

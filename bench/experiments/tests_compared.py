"""The tests that are compared: which of the experiments each would have decided, by the number of looks."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.experiments.confidence_sequence import difference, interval, mixture_rate
from models.experiments.cuped import adjusted
from models.experiments.moments import DECISIONS, ONE, REWARD, Estimate, FloatArray, estimate

ALPHA: Final = 0.05
_NORMAL_QUANTILE: Final = 1.959964
TESTS: Final = ("fixed", "peeking", "peeking_by_decision", "sequence", "sequence_cuped")

Decided = NDArray[np.bool_]


def decided(moments: FloatArray, expected_users: float) -> dict[str, Decided]:
    """By test [E, L]: whether it has decided at this look or at one before, of two arms [E, L, 2, 4, 4].

    `fixed` looks once, at the look whose column it is.
    """
    plain, with_cuped = _difference(estimate(moments)), _difference(adjusted(moments))
    rate = mixture_rate(ALPHA, expected_users)
    once = _z_test(plain)
    return {
        "fixed": once,
        "peeking": _ever(once),
        "peeking_by_decision": _ever(_z_test(_difference(_by_decision(moments)))),
        "sequence": _ever(_leaves_zero_out(plain, rate)),
        "sequence_cuped": _ever(_leaves_zero_out(with_cuped, rate)),
    }


def _difference(of: Estimate) -> Estimate:
    arms = [Estimate(of.mean[..., arm], of.variance[..., arm], of.users[..., arm]) for arm in (1, 0)]
    return difference(*arms)


def _by_decision(moments: FloatArray) -> Estimate:
    """As if each decision were a user of its own; rewards are 0 or 1."""
    decisions = moments[..., ONE, DECISIONS]
    mean = moments[..., ONE, REWARD] / decisions
    return Estimate(mean, mean * (1 - mean) / decisions, decisions)


def _z_test(delta: Estimate) -> Decided:
    return np.asarray(np.abs(delta.mean) > _NORMAL_QUANTILE * np.sqrt(delta.variance))


def _leaves_zero_out(delta: Estimate, rate: float) -> Decided:
    low, high = interval(delta, ALPHA, rate)
    return np.asarray((low > 0) | (high < 0))


def _ever(looks: Decided) -> Decided:
    return np.logical_or.accumulate(looks, axis=1)

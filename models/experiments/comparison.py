"""Comparison: the arms of an experiment beside its control, and the winner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from models.experiments.confidence_sequence import difference, interval, mixture_rate
from models.experiments.cuped import adjusted
from models.experiments.moments import Estimate, FloatArray, estimate
from models.experiments.msprt import log_likelihood_ratio


@dataclass(frozen=True, slots=True)
class ArmComparison:
    """One arm: its reward per decision, and the difference from the control."""

    mean: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    log_ratio: float
    """Logarithm of the mSPRT's likelihood ratio against no difference; 0 for the control"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All arms, in their order."""

    arms: tuple[ArmComparison, ...]
    winner: int | None
    """The only arm that no other is better than, with certainty 1 - alpha for all pairs together"""
    variance_ratio: float
    """Variance with CUPED, divided by the one without it"""


def pair_alpha(alpha: float, arms: int) -> float:
    """What each pair of arms may err, so that all together err alpha at most (Bonferroni)."""
    return alpha / max(1, arms * (arms - 1) // 2)


def compare(
    moments: FloatArray, *, control: int, alpha: float, expected_users: float, min_users: int, active: Sequence[bool]
) -> Comparison:
    """The arms with these moments [A, 4, 4].

    Nothing is concluded of an arm with fewer than `min_users` users. The winner is among the arms that are `active`.
    """
    arm_alpha, rate = pair_alpha(alpha, len(moments)), mixture_rate(pair_alpha(alpha, len(moments)), expected_users)
    plain, of = estimate(moments), adjusted(moments)
    enough = of.users >= min_users
    low, high = interval(_known(of, enough), arm_alpha, rate)
    beside = Estimate(*(np.broadcast_to(values[control], values.shape) for values in (of.mean, of.variance, of.users)))
    delta = _known(difference(of, beside), enough & enough[control])
    delta_low, delta_high = interval(delta, arm_alpha, rate)
    log_ratio = log_likelihood_ratio(delta, rate)
    arms = []
    for arm in range(len(moments)):
        mean = float(of.mean[arm])
        if arm == control:
            arms.append(ArmComparison(mean, float(low[arm]), float(high[arm]), 0.0, 0.0, 0.0, 0.0))
            continue
        arms.append(
            ArmComparison(
                mean,
                float(low[arm]),
                float(high[arm]),
                mean - float(of.mean[control]),
                float(delta_low[arm]),
                float(delta_high[arm]),
                float(log_ratio[arm]),
            )
        )
    candidates = [arm for arm in range(len(moments)) if active[arm]]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = of.variance / plain.variance
    known = ratios[np.isfinite(ratios)]
    return Comparison(
        tuple(arms), _winner(of, enough, candidates, arm_alpha, rate), float(known.mean()) if len(known) else 1.0
    )


def _known(of: Estimate, enough: NDArray[np.bool_]) -> Estimate:
    return Estimate(of.mean, np.where(enough, of.variance, np.nan), of.users)


def _winner(
    of: Estimate, enough: NDArray[np.bool_], candidates: Sequence[int], alpha: float, rate: float
) -> int | None:
    beaten = set()
    for one, other in combinations(candidates, 2):
        if enough[one] and enough[other]:
            pair = (Estimate(of.mean[arm], of.variance[arm], of.users[arm]) for arm in (one, other))
            low, high = interval(difference(*pair), alpha, rate)
            beaten |= {other} if low > 0 else {one} if high < 0 else set()
    best = [arm for arm in candidates if arm not in beaten]
    return best[0] if len(candidates) > 1 and len(best) == 1 else None

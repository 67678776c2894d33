"""Confidence sequences: intervals that hold at all times at once, however often and for whatever reason one looks.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2, Robbins' normal mixture with
estimated variance. With U users, an estimate of variance V, and a mixture of precision r = U rho^2,

    radius = sqrt(V (r + 1) / r * (log(r + 1) + 2 log(1 / alpha)))

covers the truth at all times with probability 1 - alpha, as the time of the first look grows: hence `min_users` of an
experiment. rho is chosen before the first look: at `users` users the radius is the least that any rho gives (their
appendix on tuning: r = 2 log(1 / alpha) + log(1 + 2 log(1 / alpha)), up to a log log), and it stays near it
for a hundred times fewer or more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from models.experiments.moments import Estimate, FloatArray


def mixture_rate(alpha: float, users: float) -> float:
    """rho^2 that makes the sequence tightest at so many users."""
    doubled = -2 * math.log(alpha)
    return (doubled + math.log1p(doubled)) / users


def radius(variance: ArrayLike, users: ArrayLike, alpha: float, rate: float) -> FloatArray:
    """Half of the width around estimates of this variance from so many users; `rate` is rho^2."""
    r = np.asarray(users, np.float64) * rate
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.asarray(variance) * (r + 1) / r * (np.log1p(r) - 2 * math.log(alpha)))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """The difference of arms, one minus other, as an estimate from the users of both."""
    return Estimate(one.mean - other.mean, one.variance + other.variance, one.users + other.users)


def interval(of: Estimate, alpha: float, rate: float) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end; infinite where there are too few users to have a variance."""
    half = radius(of.variance, of.users, alpha, rate)
    half = np.where(np.isnan(half), np.inf, half)
    mean = np.where(np.isnan(of.mean), 0.0, of.mean)
    return mean - half, mean + half

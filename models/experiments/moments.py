"""Moments of an arm: sums over its users of products of what is known of each, from which all statistics follow.

Users are what is assigned, and decisions of one user are alike, so the users are the sample: an arm is estimated by
reward per decision, sum(reward) / sum(decisions), a ratio of two sums over users. Its variance is that of the delta
method (Deng, Knoblich and Lu, "Applying the delta method in metric analytics", KDD 2018, section 3.2):

    R = sum(y) / sum(n)        V = U / (U - 1) * sum((y - R n)^2) / sum(n)^2

with y a user's reward, n the user's decisions, U users. Taking decisions for independent would make V too small by the
correlation within users, and every test after it wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
ONE, DECISIONS, REWARD, BEFORE = range(4)
"""Columns of a user's row: 1, decisions, their reward, and a covariate from before the experiment"""
COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """Reward per decision of arms: arrays of one shape."""

    mean: FloatArray
    variance: FloatArray
    """Of the mean; NaN with fewer than two users"""
    users: FloatArray


def user_rows(decisions: ArrayLike, reward: ArrayLike, before: ArrayLike = 0.0) -> FloatArray:
    """Rows [..., 4] of users."""
    columns = np.broadcast_arrays(1.0, decisions, reward, before)
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=-1)


def products(rows: FloatArray) -> FloatArray:
    """Products [..., 4, 4] of the columns of each row; their sum over users are the moments of an arm.

    A user's new decision changes the moments by the products after it minus those before it.
    """
    return rows[..., :, None] * rows[..., None, :]


def estimate(moments: FloatArray) -> Estimate:
    """Reward per decision of arms with these moments [..., 4, 4], as in the module's description."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = moments[..., ONE, REWARD] / moments[..., ONE, DECISIONS]
        users = moments[..., ONE, ONE]
        squares = residual_squares(moments, mean)
        variance = np.where(users > 1, users / (users - 1) * squares / moments[..., ONE, DECISIONS] ** 2, np.nan)
    return Estimate(mean, variance, users)


def residual_squares(moments: FloatArray, mean: FloatArray) -> FloatArray:
    """Sum over users of (reward - mean * decisions)^2; not below 0, where rounding would bring it."""
    squares = (
        moments[..., REWARD, REWARD]
        - 2 * mean * moments[..., DECISIONS, REWARD]
        + mean**2 * moments[..., DECISIONS, DECISIONS]
    )
    return np.maximum(squares, 0.0)

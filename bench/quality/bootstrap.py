"""Bootstrap confidence interval of the difference between two scorers, resampled by users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DRAWS = 1000
_BLOCK_CELLS = 1 << 22


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of paired differences with its uncertainty."""

    mean: float
    error: float
    """Standard error"""
    low: float
    """2.5th percentile of the resampled means"""
    high: float
    """97.5th percentile"""


def paired_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], user: NDArray[np.int64], seed: int = 0
) -> Difference:
    """Mean of `first - second` [n] over the same events, resampled by users, since one user's events are dependent.

    Events where either value is NaN are left out.
    """
    difference = first - second
    valid = ~np.isnan(difference)
    difference = difference[valid]
    _, user_index = np.unique(user[valid], return_inverse=True)
    if not len(difference):
        return Difference(*[float("nan")] * 4)
    total = np.bincount(user_index, weights=difference)
    count = np.bincount(user_index).astype(np.float64)
    users = len(total)
    generator = np.random.default_rng(seed)
    means = []
    block = max(1, _BLOCK_CELLS // users)
    for low in range(0, _DRAWS, block):
        sample = generator.integers(0, users, (min(block, _DRAWS - low), users))  # [draws, users]
        means.append(total[sample].sum(1) / count[sample].sum(1))
    resampled = np.concatenate(means)
    low_mean, high_mean = np.percentile(resampled, (2.5, 97.5))
    return Difference(float(difference.mean()), float(resampled.std(ddof=1)), float(low_mean), float(high_mean))

"""Bootstrap: how sure a difference between two scorers is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DRAWS = 1000
_BLOCK_CELLS = 1 << 22


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of paired differences."""

    mean: float
    error: float
    """Standard error"""
    low: float
    """2.5th percentile of the resampled means"""
    high: float
    """97.5th percentile"""


def paired(
    first: NDArray[np.float64], second: NDArray[np.float64], user: NDArray[np.int64], seed: int = 0
) -> Difference:
    """Mean of first less second over the same events, resampled by users: events of one user depend on each other.

    Events where either is NaN are left out.
    """
    each = first - second
    kept = ~np.isnan(each)
    each = each[kept]
    _, owner = np.unique(user[kept], return_inverse=True)
    if not len(each):
        return Difference(*[float("nan")] * 4)
    total = np.bincount(owner, weights=each)
    count = np.bincount(owner).astype(np.float64)
    users = len(total)
    generator = np.random.default_rng(seed)
    means = []
    block = max(1, _BLOCK_CELLS // users)
    for low in range(0, _DRAWS, block):
        drawn = generator.integers(0, users, (min(block, _DRAWS - low), users))
        means.append(total[drawn].sum(1) / count[drawn].sum(1))
    resampled = np.concatenate(means)
    low_mean, high_mean = np.percentile(resampled, (2.5, 97.5))
    return Difference(float(each.mean()), float(resampled.std(ddof=1)), float(low_mean), float(high_mean))

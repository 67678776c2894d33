"""Bootstrap intervals of estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.policy.off_policy.estimators import ESTIMATORS, effective_sample_size
from models.policy.off_policy.logged_rewards import LoggedRewards

RESAMPLES: Final = 1000
_BLOCK_ELEMENTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A policy's mean reward per decision."""

    value: float
    low: float
    """Of the interval"""
    high: float
    effective_sample_size: float


def estimate(
    name: str,
    logged: LoggedRewards,
    random: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The estimate by this estimator of `ESTIMATORS`, with a percentile bootstrap interval: clusters are resampled."""
    contributions = ESTIMATORS[name](logged)
    cluster = np.arange(len(logged.rewards)) if logged.cluster is None else logged.cluster
    _, index = np.unique(cluster, return_inverse=True)
    count = int(index.max()) + 1
    columns = np.concatenate([contributions.numerator, contributions.denominator], 1)
    sums = np.zeros((count, columns.shape[1]))
    np.add.at(sums, index, columns)
    values = []
    block = max(1, _BLOCK_ELEMENTS // count)
    for low in range(0, resamples, block):
        size = min(block, resamples - low)
        drawn = random.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)  # faster than a multinomial
        drawn_sums = times @ sums  # [size, 2K]
        numerator, denominator = np.split(drawn_sums, 2, axis=1)
        values.append((numerator / np.where(denominator == 0, 1, denominator)).sum(1))
    tail = (1 - confidence) / 2
    low_value, high_value = np.quantile(np.concatenate(values), [tail, 1 - tail])
    return Estimate(contributions.value(), float(low_value), float(high_value), effective_sample_size(logged))

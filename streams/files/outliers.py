"""Robust bounds of how many events a user or an item has: more are those of a bot, a test account or a default item."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DEVIATIONS = 5.0
"""Scaled median absolute deviations above the median, of log counts"""
_MIN_SCALE = 0.5  # in log counts: where most have equally many events, the bound is 12 times as many
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True)
class CountOutliers:
    """Ids with more events than the bound."""

    median: float
    bound: float
    counts: dict[str, int]
    """Of the outliers, most events first"""


def count_outliers(counts: Mapping[str, int], deviations: float = DEVIATIONS) -> CountOutliers:
    """Ids whose count n has log n > median + deviations * max(1.4826 MAD, 0.5), both of the log counts of all ids."""
    if not counts:
        return CountOutliers(0.0, float("inf"), {})
    logs = np.log(np.fromiter(counts.values(), np.float64, len(counts)))  # [ids]
    median = float(np.median(logs))
    scale = max(_MAD_TO_SIGMA * float(np.median(np.abs(logs - median))), _MIN_SCALE)
    bound = float(np.exp(median + deviations * scale))
    beyond = {id_: count for id_, count in counts.items() if count > bound}
    ordered = dict(sorted(beyond.items(), key=lambda pair: -pair[1]))
    return CountOutliers(float(np.exp(median)), bound, ordered)

"""What policies see of a user and a candidate: F features of both, S values of the user alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.policy.slate import FloatArray, IntArray

EXPOSURE_MEMORY: Final = 0.9
"""What a decision leaves of the exposures before it"""
_FEATURES_BESIDE_CATEGORIES: Final = 4


@dataclass(frozen=True, slots=True)
class UserHistories:
    """Of B users by G categories (or buckets of categories), before the decision; all three are decayed alike."""

    affinity: FloatArray
    """[B, G] interest in each category, of mean 1 or so; its sum says how active the user is, if that is known"""
    exposures: FloatArray
    """[B, G] how often the user looked at it lately; see `exposed`"""
    clicks: FloatArray
    """[B, G] recent places of it that were clicked"""


def feature_count(categories: int) -> int:
    """F of `features`."""
    return categories + _FEATURES_BESIDE_CATEGORIES


def context_size(categories: int) -> int:
    """S of `context`."""
    return 3 * categories


def features(interest: FloatArray, category: IntArray, shown: FloatArray, histories: UserHistories) -> FloatArray:
    """[B, C, F] of candidates with interest [B, C], category [B, C] and number of times shown to anybody [B, C].

    Which category it is; recent clicks of the user on it; how new the item is; of an item that is not predicted at all,
    the interest in its category; at last the recent exposures of the user to the category, as
    `RewardModelSettings.exposure_rates` reads them.
    """
    rows, groups = np.arange(len(category))[:, None], histories.affinity.shape[1]
    made = np.empty((*category.shape, feature_count(groups)), np.float32)
    made[..., :groups] = np.eye(groups, dtype=np.float32)[category]
    made[..., groups] = histories.clicks[rows, category] / 10
    made[..., groups + 1] = 1 / (1 + shown)
    made[..., groups + 2] = np.where(interest > 0, 0, histories.affinity[rows, category])
    made[..., groups + 3] = histories.exposures[rows, category]
    return made


def context(histories: UserHistories) -> FloatArray:
    """[B, S]: interest by category, and recent exposures and clicks of each."""
    return np.concatenate([histories.affinity, histories.exposures / 10, histories.clicks / 10], -1).astype(np.float32)


def exposed(recent: FloatArray, category: IntArray, amount: FloatArray) -> FloatArray:
    """[B, G] exposures (or clicks) after a decision with places of these categories [B, K], -1 where there is none.

    `amount` [B, K] is the probability that the user looked at the place, or 1 for one that was clicked.
    """
    after = recent * EXPOSURE_MEMORY
    rows = np.broadcast_to(np.arange(len(category))[:, None], category.shape)
    filled = category >= 0
    np.add.at(after, (rows[filled], category[filled]), amount[filled])
    return after

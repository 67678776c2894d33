"""What policies see of a user and the candidates: by names and hashes alone, so that every process sees the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.policy.bandits.reward_model import RewardModelSettings

CATEGORY_BUCKETS: Final = 16
FEATURES: Final = 5
"""Of a candidate: interest in its first category; log of its interest, from 0 for the least to 1; whether predicted; of
one that is not, the interest in its category once more; recent exposures of the user to the category"""
MODEL: Final = RewardModelSettings(FEATURES, exposure_rates=(0.05, 0.2, 0.8))
"""Of rewards by these features"""
MOST_CATEGORIES: Final = 4
"""Of an item, that its similarity to others is computed from"""
_LEAST_INTEREST: Final = 1e-6


def item_index(item_id: str, buckets: int) -> int:
    """The bucket in which policies learn of the item."""
    return crc32(item_id.encode()) % buckets


def category_index(category: str) -> int:
    """Number of the category, to compare it with others of a slate."""
    return crc32(category.encode())


def item_features(interest: float, category_p: float, predicted: bool, exposure: float) -> tuple[float, ...]:
    """[FEATURES] of a candidate."""
    log_interest = 1 - math.log(max(interest, _LEAST_INTEREST)) / math.log(_LEAST_INTEREST)
    category_p = round(category_p, 4)
    unpredicted = 0.0 if predicted else category_p
    return category_p, round(log_interest, 4), float(predicted), unpredicted, round(exposure, 3)


def user_context(categories: Sequence[str], category_p: Sequence[float]) -> tuple[float, ...]:
    """[CATEGORY_BUCKETS] the user's interest by bucket of categories."""
    buckets = [0.0] * CATEGORY_BUCKETS
    for category, p in zip(categories, category_p, strict=True):
        buckets[crc32(category.encode()) % CATEGORY_BUCKETS] += p
    return tuple(round(value, 4) for value in buckets)


def all_categories(item_ids: Sequence[str], categories_of: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
    """[C, M] numbers of the categories of each item, each once, the first MOST_CATEGORIES of them; -1 behind them."""
    rows = [list(dict.fromkeys(categories_of.get(item_id, ())))[:MOST_CATEGORIES] for item_id in item_ids]
    numbers = np.full((len(rows), max([1, *map(len, rows)])), -1, np.int64)
    for row, names in enumerate(rows):
        numbers[row, : len(names)] = [category_index(name) for name in names]
    return numbers


def first_categories(
    item_ids: Sequence[str], categories_of: Mapping[str, Sequence[str]]
) -> tuple[list[str], NDArray[np.int64]]:
    """Name and number of the first category of each item; "" and that of "" where there is none."""
    names = [(categories_of.get(item_id) or ("",))[0] for item_id in item_ids]
    return names, np.array([category_index(name) for name in names], np.int64)


def known_categories(names: Sequence[str], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """[C] the numbers of first categories, -1 where there is none."""
    return np.where([name != "" for name in names], numbers, -1)

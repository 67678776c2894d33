"""Rewards as the arrays that policies learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.policy.slate import NO_ITEM, Outcomes
from streams.policy.features import CATEGORY_BUCKETS, FEATURES, first_categories, item_index, known_categories
from streams.policy.item_filters import DescribedItem
from streams.schema.decisions.reward import Reward

_LARGEST: Final = 1e6
"""Squares of larger numbers would hide all others in what is learnt, or be no numbers any more"""


def is_usable(reward: Reward) -> bool:
    """Whether policies of these features can learn from it; what other programs decided may have others, or none."""
    places = len(reward.slate)
    numbers = chain(reward.rewards, reward.interest, reward.context, *reward.features)
    return (
        places > 0
        and len(reward.rewards) == len(reward.propensities) == len(reward.features) == len(reward.interest) == places
        and all(len(row) == FEATURES for row in reward.features)
        and len(reward.context) == CATEGORY_BUCKETS
        and all(-_LARGEST <= number <= _LARGEST for number in numbers)
    )


def outcomes_of(
    rewards: Sequence[Reward], item_buckets: int, catalog: Mapping[str, DescribedItem] | None = None
) -> Outcomes:
    """B outcomes of usable rewards, in their order; slates are as wide as the widest. Categories are the catalog's."""
    shape = len(rewards), max((len(reward.slate) for reward in rewards), default=0)
    items = np.full(shape, NO_ITEM, np.int64)
    interest, values, propensities = (np.zeros(shape) for _ in range(3))
    features = np.zeros((*shape, FEATURES))
    propensities[:] = 1.0
    for row, reward in enumerate(rewards):
        width = len(reward.slate)
        items[row, :width] = [item_index(item_id, item_buckets) for item_id in reward.slate]
        interest[row, :width] = reward.interest
        features[row, :width] = reward.features
        values[row, :width] = reward.rewards
        propensities[row, :width] = reward.propensities
    users: NDArray[np.int64] = np.array([crc32(reward.user_id.encode()) for reward in rewards], np.int64)
    context = np.array([reward.context for reward in rewards])
    category = None if catalog is None else _categories(rewards, catalog, shape)
    return Outcomes(users, items, interest, features, context, propensities, values, None, category)


def _categories(
    rewards: Sequence[Reward], catalog: Mapping[str, DescribedItem], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """[B, K] by bucket, as exposures are counted; -1 where an item has no category."""
    category = np.full(shape, -1, np.int64)
    for row, reward in enumerate(rewards):
        described = {item_id: catalog[item_id].categories for item_id in reward.slate if item_id in catalog}
        numbers = known_categories(*first_categories(reward.slate, described))
        category[row, : len(numbers)] = np.where(numbers < 0, -1, numbers % CATEGORY_BUCKETS)
    return category


def with_places(outcomes: Outcomes, places: int) -> Outcomes:
    """The same with slates of this width: of wider ones the first places, behind narrower ones places without item."""

    def resized(array: NDArray[Any], empty: float) -> NDArray[Any]:
        kept = array[:, :places]
        missing = [(0, 0), (0, places - kept.shape[1]), *((0, 0) for _ in kept.shape[2:])]
        return np.pad(kept, missing, constant_values=empty)

    return replace(
        outcomes,
        items=resized(outcomes.items, NO_ITEM),
        interest=resized(outcomes.interest, 0),
        features=resized(outcomes.features, 0),
        propensities=resized(outcomes.propensities, 1),
        rewards=resized(outcomes.rewards, 0),
        category=None if outcomes.category is None else resized(outcomes.category, -1),
        weights=None if outcomes.weights is None else resized(outcomes.weights, 1),
    )

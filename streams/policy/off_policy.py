"""What policies would have earned on the decisions that were logged: the logs as arrays, and the estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from models.policy.off_policy.estimators import ESTIMATORS
from models.policy.off_policy.intervals import Estimate, estimate
from models.policy.off_policy.policy_rewards import logged_rewards
from models.policy.slate import NO_ITEM, CandidateBatch, FloatArray, IntArray, SlateBatch
from models.policy.successive import SuccessiveChoice
from streams.policy.features import (
    CATEGORY_BUCKETS,
    FEATURES,
    MODEL,
    MOST_CATEGORIES,
    all_categories,
    first_categories,
    item_index,
)
from streams.schema.decisions.decision import Decision
from streams.schema.decisions.reward import Reward


@dataclass(frozen=True, slots=True)
class LoggedDecisions:
    """n decisions with their rewards, as arrays: C candidates at most, K places at most."""

    users: IntArray  # [n]
    candidates: CandidateBatch  # [n, C]
    slates: SlateBatch  # [n, K]
    rewards: FloatArray  # [n, K]

    def __len__(self) -> int:
        return len(self.users)


def is_complete(decision: Decision, reward: Reward) -> bool:
    """Whether other policies can be evaluated on the decision: all candidates are logged, by the features of today."""
    places = len(decision.slate)
    others = len(decision.other_items)
    rows = [*decision.features, *decision.other_features]
    return (
        places > 0
        and places + others == decision.candidates
        and len(decision.propensities) == len(decision.interest) == len(decision.features) == places
        and len(decision.other_interest) == len(decision.other_features) == others
        and len(reward.rewards) == places
        and len(decision.context) == CATEGORY_BUCKETS
        and all(len(row) == FEATURES for row in rows)
    )


def logged_decisions(
    pairs: Sequence[tuple[Decision, Reward]], item_buckets: int, categories_of: Mapping[str, Sequence[str]]
) -> LoggedDecisions:
    """The arrays of complete decisions; those that were shown come first among the candidates of each."""
    n, most = len(pairs), max(decision.candidates for decision, _ in pairs)
    places = max(len(decision.slate) for decision, _ in pairs)
    items, category = np.zeros((n, most), np.int64), np.zeros((n, most), np.int64)
    categories = np.full((n, most, MOST_CATEGORIES), -1, np.int64)
    interest, features = np.zeros((n, most)), np.zeros((n, most, FEATURES))
    present = np.zeros((n, most), np.bool_)
    chosen, propensities, rewards = np.full((n, places), NO_ITEM), np.ones((n, places)), np.zeros((n, places))
    for row, (decision, reward) in enumerate(pairs):
        ids = [*decision.slate, *decision.other_items]
        size, shown = len(ids), len(decision.slate)
        items[row, :size] = [item_index(item_id, item_buckets) for item_id in ids]
        category[row, :size] = first_categories(ids, categories_of)[1]
        of_items = all_categories(ids, categories_of)
        categories[row, :size, : of_items.shape[1]] = of_items
        interest[row, :size] = [*decision.interest, *decision.other_interest]
        features[row, :size] = [*decision.features, *decision.other_features]
        present[row, :size] = True
        chosen[row, :shown] = range(shown)
        propensities[row, :shown] = decision.propensities
        rewards[row, :shown] = reward.rewards
    return LoggedDecisions(
        np.array([crc32(decision.user_id.encode()) for decision, _ in pairs], np.int64),
        CandidateBatch(
            items,
            interest,
            features,
            np.array([decision.context for decision, _ in pairs]),
            category,
            None,
            present,
            categories,
        ),
        SlateBatch(chosen, propensities),
        rewards,
    )


def estimates(
    policy: SuccessiveChoice, logged: LoggedDecisions, names: Sequence[str] = tuple(ESTIMATORS), seed: int = 0
) -> dict[str, Estimate]:
    """By estimator the policy's mean reward per decision, with a bootstrap interval by users."""
    random = np.random.default_rng(seed)
    beside = logged_rewards(policy, logged.users, logged.candidates, logged.slates, logged.rewards, MODEL, random)
    return {name: estimate(name, beside, random) for name in names}

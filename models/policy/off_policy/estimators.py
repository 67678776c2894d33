"""Estimators of a policy's mean reward per decision, from logged decisions with propensities.

Each is a sum over places of ratios of means over decisions, so that all are resampled alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.policy.off_policy.logged_rewards import LoggedRewards
from models.policy.slate import FloatArray

MAX_WEIGHT: Final = 20.0
"""Of `clipped`, and from which on `switch_dr` relies on the model"""


@dataclass(frozen=True, slots=True)
class Contributions:
    """Of n decisions: the estimate is Σ_k Σ_i numerator_ik / Σ_i denominator_ik."""

    numerator: FloatArray  # [n, K]
    denominator: FloatArray  # [n, K]

    def value(self) -> float:
        """The estimate."""
        return float((self.numerator.sum(0) / self.denominator.sum(0)).sum())


def inverse_propensity(logged: LoggedRewards) -> Contributions:
    """IPS: rewards by their weights; unbiased where every choice of the policy has a logged propensity above 0."""
    return _mean(logged.weights * logged.rewards)


def self_normalised(logged: LoggedRewards) -> Contributions:
    """SNIPS: IPS by the sum of the weights instead of the number; a little biased, less variance."""
    weights = logged.weights
    none = weights.sum(0) == 0
    return Contributions(weights * logged.rewards, np.where(none, 1.0, weights))


def clipped(logged: LoggedRewards, max_weight: float = MAX_WEIGHT) -> Contributions:
    """IPS with weights of at most `max_weight`: biased downwards where they are larger."""
    return _mean(np.minimum(logged.weights, max_weight) * logged.rewards)


def doubly_robust(logged: LoggedRewards) -> Contributions:
    """DR: the model's expectation, and IPS of what it misses; unbiased if the propensities or the model are right."""
    return _mean(logged.earlier_weights * logged.expected + logged.weights * (logged.rewards - logged.predicted))


def switch_doubly_robust(logged: LoggedRewards, max_weight: float = MAX_WEIGHT) -> Contributions:
    """Switch-DR (Wang et al., 2017): DR where weights are at most `max_weight`, else the model alone.

    At later places the weight of the model's expectation is at most `max_weight`, too.
    """
    weights = logged.weights
    correction = np.where(weights <= max_weight, weights, 0) * (logged.rewards - logged.predicted)
    return _mean(np.minimum(logged.earlier_weights, max_weight) * logged.expected + correction)


ESTIMATORS: Final[dict[str, Callable[[LoggedRewards], Contributions]]] = {
    "ips": inverse_propensity,
    "snips": self_normalised,
    "clipped": clipped,
    "dr": doubly_robust,
    "switch_dr": switch_doubly_robust,
}
"""By name"""


def effective_sample_size(logged: LoggedRewards) -> float:
    """Decisions of the policy itself that would tell as much: (Σw)² / Σw² of the weights of whole slates."""
    weights = logged.weights[:, -1]
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _mean(values: FloatArray) -> Contributions:
    return Contributions(values, np.ones(values.shape))

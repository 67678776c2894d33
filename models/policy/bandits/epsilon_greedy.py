"""ε-greedy: the best candidate, or with probability ε any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policy.bandits.learnt import RewardPolicy
from models.policy.choice import best_share, mixed_with_uniform
from models.policy.option_ranges import SHARE, check_ranges
from models.policy.slate import BoolArray, CandidateBatch, FloatArray


@dataclass(frozen=True, slots=True)
class EpsilonGreedyOptions:
    """Options of `EpsilonGreedy`. `ValueError` for values out of range."""

    epsilon: float = 0.05
    """Probability that a place shows any of the candidates, each alike"""

    def __post_init__(self) -> None:
        check_ranges(self, epsilon=SHARE)


class EpsilonGreedy(RewardPolicy):
    """The candidates of the highest expected reward, but for a share of uniform choices."""

    name: ClassVar[str] = "epsilon_greedy"
    options_type = EpsilonGreedyOptions

    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        return self._means(batch)

    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        return mixed_with_uniform(best_share(scores, available), available, self.options.epsilon)

"""Greedy: the candidates of the highest expected reward."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.policy.bandits.learnt import RewardPolicy
from models.policy.choice import best_share
from models.policy.slate import BoolArray, CandidateBatch, FloatArray


class Greedy(RewardPolicy):
    """Explores nothing: propensities are 1, or equal shares of ties, but for the share of fresh items in the rules."""

    name: ClassVar[str] = "greedy"

    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        return self._means(batch)

    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        return best_share(scores, available)

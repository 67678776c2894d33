"""Thompson sampling: each candidate with the probability that it is the best, as far as known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policy.bandits.learnt import RewardPolicy
from models.policy.choice import best_share, mixed_with_uniform
from models.policy.option_ranges import NOT_NEGATIVE, SHARE, check_ranges
from models.policy.slate import BoolArray, CandidateBatch, FloatArray


@dataclass(frozen=True, slots=True)
class ThompsonOptions:
    """Options of `Thompson`. `ValueError` for values out of range."""

    draws: int = 16
    """Draws of the posterior for a decision"""
    deviation_scale: float = 0.5
    """Multiplies the posterior's deviation: less than 1 explores less (Chapelle and Li, 2011)"""
    uniform_share: float = 0.01
    """Probability that a place shows any of the candidates, each alike"""

    def __post_init__(self) -> None:
        check_ranges(self, draws=(1, 10_000), deviation_scale=NOT_NEGATIVE, uniform_share=SHARE)


class Thompson(RewardPolicy):
    """Draws from the posterior of the expected rewards, and shows the best of a draw that is chosen at random.

    A place is chosen from the shares of the draws in which each candidate is the best, which is Thompson sampling,
    and whose propensities are exact given the draws: these are part of the random state, as the choice is. A share of
    uniform choices gives every candidate a positive propensity, without which inverse propensity scoring is biased
    for items that no draw prefers.
    """

    name: ClassVar[str] = "thompson"
    options_type = ThompsonOptions

    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        options, arguments = self.options, (batch.items, batch.interest, batch.features)
        return self.model.draws(*arguments, options.draws, random, options.deviation_scale)

    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        return mixed_with_uniform(best_share(scores, available), available, self.options.uniform_share)

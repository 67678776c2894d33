"""LinUCB: the candidates whose expected reward may be the highest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policy.bandits.learnt import RewardPolicy
from models.policy.choice import best_share, mixed_with_uniform
from models.policy.option_ranges import NOT_NEGATIVE, SHARE, check_ranges
from models.policy.slate import BoolArray, CandidateBatch, FloatArray


@dataclass(frozen=True, slots=True)
class LinUCBOptions:
    """Options of `LinUCB`. `ValueError` for values out of range."""

    alpha: float = 0.5
    """Standard deviations of the expected reward that are added to it"""
    uniform_share: float = 0.01
    """Probability that a place shows any of the candidates, each alike: without it logs are of no use for others"""

    def __post_init__(self) -> None:
        check_ranges(self, alpha=NOT_NEGATIVE, uniform_share=SHARE)


class LinUCB(RewardPolicy):
    """Hybrid LinUCB (Li et al., 2010), with shared weights and an own part of each item."""

    name: ClassVar[str] = "linucb"
    options_type = LinUCBOptions

    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        arguments = batch.items, batch.interest, batch.features
        return np.asarray(self.model.mean(*arguments) + self.options.alpha * self.model.deviation(*arguments))[None]

    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        return mixed_with_uniform(best_share(scores, available), available, self.options.uniform_share)

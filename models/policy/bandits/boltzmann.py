"""Softmax (Boltzmann) exploration: the better the expected reward, the more probable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.policy.bandits.learnt import RewardPolicy
from models.policy.choice import softmax
from models.policy.option_ranges import POSITIVE, check_ranges
from models.policy.slate import BoolArray, CandidateBatch, FloatArray


@dataclass(frozen=True, slots=True)
class SoftmaxOptions:
    """Options of `Softmax`. `ValueError` for values out of range."""

    temperature: float = 0.02
    """In units of the reward: a candidate that is better by this much is e times as probable"""

    def __post_init__(self) -> None:
        check_ranges(self, temperature=POSITIVE)


class Softmax(RewardPolicy):
    """Each place by the softmax of the expected rewards over what is left: a Plackett-Luce distribution of slates."""

    name: ClassVar[str] = "softmax"
    options_type = SoftmaxOptions

    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        return self._means(batch)

    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        return softmax(scores[0], available, self.options.temperature)

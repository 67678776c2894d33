"""Policies that learn the expected reward of each candidate: what they differ in is how they choose by it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.policy.bandits.reward_model import RewardModel, RewardModelSettings
from models.policy.rules import SlateRules
from models.policy.saved_arrays import dump_policy
from models.policy.slate import CandidateBatch, FloatArray, Outcomes
from models.policy.successive import SuccessiveChoice


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Of policies without options."""


class RewardPolicy(SuccessiveChoice):
    """A policy on a `RewardModel`, with options of its own."""

    name: ClassVar[str]
    options_type: ClassVar[type[Any]] = NoOptions

    def __init__(self, settings: RewardModelSettings, options: Any = None, rules: SlateRules | None = None) -> None:
        super().__init__(rules)
        self.options = self.options_type() if options is None else options
        self.model = RewardModel(settings)

    def learn(self, outcomes: Outcomes) -> None:
        """As `Policy.learn`."""
        self.model.learn(outcomes)
        self.version += 1

    def state(self) -> bytes:
        """As `Policy.state`."""
        settings = {
            "model": asdict(self.model.settings),
            "options": asdict(self.options),
            "rules": asdict(self.rules),
        }
        return dump_policy(self.name, self.version, settings, self.model.arrays())

    @classmethod
    def restored(cls, version: int, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> RewardPolicy:
        """The policy of this state."""
        model = RewardModelSettings.restored(settings["model"])
        policy = cls(model, cls.options_type(**settings["options"]), SlateRules(**settings["rules"]))
        policy.model.restore(arrays)
        policy.version = version
        return policy

    @abstractmethod
    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray: ...

    def _means(self, batch: CandidateBatch) -> FloatArray:
        return self.model.mean(batch.items, batch.interest, batch.features)[None]

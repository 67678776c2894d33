"""Deep Q-network: the candidates of the highest reward, now and later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.errors import PolicyError
from models.policy.bandits.reward_model import RewardModel, RewardModelSettings
from models.policy.choice import mixed_with_uniform, softmax
from models.policy.deep_q.network import Weights, advantages, first_weights
from models.policy.deep_q.scaling import InputScaling
from models.policy.option_ranges import COUNT, NOT_NEGATIVE, POSITIVE, SHARE, check_ranges
from models.policy.rules import SlateRules
from models.policy.saved_arrays import dump_policy
from models.policy.slate import BoolArray, CandidateBatch, FloatArray, Outcomes
from models.policy.successive import SuccessiveChoice

_NETWORK, _MODEL = "network.", "model."


@dataclass(frozen=True, slots=True)
class DeepQOptions:
    """Options of `DeepQ` and of its learner. `ValueError` for values out of range."""

    context_size: int = 16
    """S of the candidates"""
    epsilon: float = 0.01
    """Probability that a place shows any of the candidates, each alike"""
    temperature: float = 0.005
    """Of the softmax by which the others are chosen, in units of the reward: what tells the effects of items apart"""
    discount: float = 0.9
    """Of the reward of the user's next decision"""
    hidden: int = 16
    """Units of each stream; more learnt noise on simulated users"""
    steps: int = 12
    """Decisions whose expected rewards are summed before the target network's value"""
    sure_deviations: float = 2.0
    """Deviations of the posterior by which an effect on later rewards is taken for smaller than its mean"""
    learning_rate: float = 2e-3
    batch_decisions: int = 256
    updates: int = 4
    """Optimiser steps per batch of outcomes"""
    target_share: float = 0.02
    """By which the target network follows with each of them"""
    replay_decisions: int = 40_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, context_size=COUNT, hidden=COUNT, steps=COUNT, updates=COUNT)
        check_ranges(self, batch_decisions=COUNT, replay_decisions=COUNT)
        check_ranges(self, epsilon=SHARE, discount=SHARE, target_share=SHARE)
        check_ranges(self, temperature=POSITIVE, learning_rate=POSITIVE, sure_deviations=NOT_NEGATIVE)


class DeepQ(SuccessiveChoice):
    """Acts by Q(s, slate) = V(s) + Σ_k e_k (r(s, a_k) + A(s, a_k)), summed over the places (value decomposition).

    s is the context, a_k the item at place k, e_k the examination of the place. r is the expected reward by a
    `RewardModel`, A the advantage in the discounted rewards of later decisions, V their value (duelling). The best
    slate is that of the highest r + A, place after place.
    """

    name: ClassVar[str] = "dqn"
    options_type: ClassVar[type[DeepQOptions]] = DeepQOptions

    def __init__(
        self, settings: RewardModelSettings, options: DeepQOptions | None = None, rules: SlateRules | None = None
    ) -> None:
        super().__init__(rules)
        self.options = options = options or DeepQOptions()
        self.model = RewardModel(settings)
        inputs = settings.features + 2  # expected reward, interest, features
        self.context_scaling, self.input_scaling = InputScaling(options.context_size), InputScaling(inputs)
        self.weights: Weights = first_weights(options.context_size, inputs, options.hidden, options.seed)

    def learn(self, outcomes: Outcomes) -> None:
        """Not here: `models.policy.deep_q.learner.DeepQLearner` learns, which needs torch."""
        raise PolicyError(
            f"{len(outcomes)} outcomes cannot be learnt by a deep Q-network that only acts: use learner_from(state)"
        )

    def state(self) -> bytes:
        """As `Policy.state`."""
        settings = {
            "model": asdict(self.model.settings),
            "options": asdict(self.options),
            "rules": asdict(self.rules),
        }
        arrays: dict[str, NDArray[Any]] = {
            "context_scaling": self.context_scaling.sums,
            "input_scaling": self.input_scaling.sums,
            **{_MODEL + name: array for name, array in self.model.arrays().items()},
            **{_NETWORK + name: array for name, array in self.weights.items()},
        }
        return dump_policy(self.name, self.version, settings, arrays)

    @classmethod
    def restored(cls, version: int, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> DeepQ:
        """The policy of this state."""
        model = RewardModelSettings.restored(settings["model"])
        policy = cls(model, DeepQOptions(**settings["options"]), SlateRules(**settings["rules"]))
        policy.context_scaling.sums = arrays["context_scaling"].copy()
        policy.input_scaling.sums = arrays["input_scaling"].copy()
        policy.model.restore(
            {name.removeprefix(_MODEL): array for name, array in arrays.items() if name.startswith(_MODEL)}
        )
        policy.load_weights({name: arrays[_NETWORK + name].copy() for name in policy.weights})
        policy.version = version
        return policy

    def load_weights(self, weights: Weights) -> None:
        """Act by these weights. ValueError where their shapes are others."""
        for name, array in self.weights.items():
            if weights[name].shape != array.shape:
                raise ValueError(f"{name} has shape {weights[name].shape} instead of {array.shape}")
        self.weights = weights

    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        expected = self.model.mean(batch.items, batch.interest, batch.features)
        inputs = network_inputs(expected, batch.interest, batch.features)
        advantage = advantages(self.weights, self.input_scaling.scaled(inputs))
        return (expected + advantage)[None]

    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        return mixed_with_uniform(
            softmax(scores[0], available, self.options.temperature), available, self.options.epsilon
        )


def network_inputs(expected: FloatArray, interest: FloatArray, features: FloatArray) -> FloatArray:
    """[..., I] of items with this expected reward [...], interest [...] and features [..., F]; not scaled."""
    return np.concatenate([expected[..., None], interest[..., None], features], axis=-1)

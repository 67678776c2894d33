"""The policies that are compared, with the settings that they were tuned to.

They were tuned on the simulated users of seeds 100 to 105; those that are reported begin with 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from models.policy.bandits.boltzmann import Softmax, SoftmaxOptions
from models.policy.bandits.epsilon_greedy import EpsilonGreedy, EpsilonGreedyOptions
from models.policy.bandits.greedy import Greedy
from models.policy.bandits.linucb import LinUCB, LinUCBOptions
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.bandits.thompson import Thompson, ThompsonOptions
from models.policy.deep_q.learner import DeepQLearner
from models.policy.deep_q.policy import DeepQOptions
from models.policy.features import context_size, feature_count
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.successive import SuccessiveChoice

DQN: Final = "dqn"

_USERS: Final = SimulatorParameters()

REWARD_MODEL: Final = RewardModelSettings(
    features=feature_count(_USERS.categories),
    half_life=40_000,
    item_deviation=0.4,
    item_offset=0.1,
    exposure_rates=(0.05, 0.2, 0.8),
    examination=_USERS.examination,
)
_THOMPSON_PRIOR: Final = 0.3

CONTENDERS: Final[dict[str, Callable[[], SuccessiveChoice]]] = {
    "greedy": lambda: Greedy(REWARD_MODEL),
    "epsilon_greedy": lambda: EpsilonGreedy(REWARD_MODEL, EpsilonGreedyOptions(0.01)),
    "softmax": lambda: Softmax(REWARD_MODEL, SoftmaxOptions(0.005)),
    "thompson": lambda: Thompson(
        replace(REWARD_MODEL, weight_deviation=_THOMPSON_PRIOR), ThompsonOptions(8, 0.35, 0.002)
    ),
    "linucb": lambda: LinUCB(REWARD_MODEL, LinUCBOptions(0.5, 0.002)),
    DQN: lambda: DeepQLearner(REWARD_MODEL, DeepQOptions(context_size(_USERS.categories), epsilon=0.002)),
}
"""By name; each call makes one that has learnt nothing"""

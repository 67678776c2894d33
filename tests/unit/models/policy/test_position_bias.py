import numpy as np
import pytest

from models.policy.bandits.epsilon_greedy import EpsilonGreedy, EpsilonGreedyOptions
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.features import feature_count
from models.policy.position_bias import examination_of
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.simulator.world import World


def test_examination_is_found_from_a_log_with_exploration() -> None:
    parameters = SimulatorParameters(users=4000, rounds=4, items=40, examination=(1.0, 0.7, 0.4), click_p=0.2)
    world, random = World(parameters, 0), np.random.default_rng(0)
    policy = EpsilonGreedy(RewardModelSettings(feature_count(8)), EpsilonGreedyOptions(0.5))
    rewards, propensities = [], []
    for _ in range(parameters.rounds):
        slates = policy.act_batch(world.candidates(), 3, random)
        propensities.append(slates.propensities)
        rewards.append(world.respond(slates).clicked)
    raw = np.concatenate(rewards).mean(0)
    estimated = examination_of(np.concatenate(rewards), np.concatenate(propensities))
    np.testing.assert_allclose(estimated, parameters.examination, atol=0.12)
    # The best items stand first: the raw rates fall faster.
    assert (raw / raw[0])[2] < estimated[2]


def test_a_log_without_rewards_says_so() -> None:
    with pytest.raises(ValueError, match="no reward"):
        examination_of(np.zeros((3, 2)), np.ones((3, 2)))

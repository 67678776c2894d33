from dataclasses import replace

import numpy as np

from models.policy.bandits.boltzmann import Softmax, SoftmaxOptions
from models.policy.bandits.epsilon_greedy import EpsilonGreedy, EpsilonGreedyOptions
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.features import feature_count
from models.policy.off_policy.intervals import estimate
from models.policy.off_policy.policy_rewards import logged_rewards
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.simulator.world import World
from models.policy.slate import SlateBatch

SETTINGS = RewardModelSettings(feature_count(8), item_deviation=0.1, examination=(1.0, 0.7))
PARAMETERS = SimulatorParameters(users=8000, items=12, examination=(1.0, 0.7))


def truth(policy: Softmax, seed: int) -> float:
    """Expected reward of the policy for the same users."""
    world, random = World(PARAMETERS, seed), np.random.default_rng(5)
    return float(world.respond(policy.act_batch(world.candidates(), 2, random)).expected.sum(1).mean())


def test_estimates_of_a_policy_from_the_log_of_another_hold_the_truth() -> None:
    random = np.random.default_rng(0)
    logging = EpsilonGreedy(SETTINGS, EpsilonGreedyOptions(0.5))
    target = Softmax(SETTINGS, SoftmaxOptions(0.05))
    world = World(PARAMETERS, 0)
    batch = world.candidates()
    slates: SlateBatch = logging.act_batch(batch, 2, random)
    rewards = world.respond(slates).rewards(PARAMETERS)
    data = logged_rewards(target, np.arange(8000), batch, slates, rewards, SETTINGS, random)
    np.testing.assert_allclose(data.target, target.propensities(batch, slates.chosen, random))
    value = truth(target, 0)
    assert abs(value - rewards.sum(1).mean()) > 0.05  # the log's own mean says something else
    for name in ("ips", "snips", "dr", "switch_dr"):
        result = estimate(name, data, random, confidence=0.999, resamples=300)
        assert result.low < value < result.high, name
        assert result.effective_sample_size > 1000


def test_of_the_policy_that_was_logged_the_estimate_is_the_mean() -> None:
    random = np.random.default_rng(0)
    policy = Softmax(SETTINGS, SoftmaxOptions(0.05))
    world = World(replace(PARAMETERS, users=500), 1)
    batch = world.candidates()
    slates = policy.act_batch(batch, 2, random)
    rewards = world.respond(slates).rewards(PARAMETERS)
    data = logged_rewards(policy, np.arange(500), batch, slates, rewards, SETTINGS, random)
    np.testing.assert_allclose(data.weights, 1)
    np.testing.assert_allclose(estimate("ips", data, random).value, rewards.sum(1).mean())

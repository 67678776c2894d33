from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from models.errors import PolicyError
from models.policy.bandits.reward_model import RewardModelSettings
from models.policy.deep_q.learner import DeepQLearner, learner_from
from models.policy.deep_q.network import advantages
from models.policy.deep_q.policy import DeepQ, DeepQOptions, network_inputs
from models.policy.features import context_size, feature_count
from models.policy.saved import policy_from
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.simulator.run import run_policy
from models.policy.simulator.world import Feedback, World
from models.policy.slate import CandidateBatch, SlateBatch, outcomes_of
from tests.unit.models.policy.decisions import FEATURES, batch_of, outcomes_at_random

SETTINGS = RewardModelSettings(FEATURES, item_deviation=0.01)
OPTIONS = DeepQOptions(2, hidden=16, batch_decisions=32, updates=2)


def test_it_acts_without_torch_as_the_learner_that_was_saved() -> None:
    random = np.random.default_rng(0)
    learner = DeepQLearner(SETTINGS, OPTIONS)
    for _ in range(20):
        learner.learn(outcomes_at_random(random, 40, 2))
    acting = policy_from(learner.state())
    assert isinstance(acting, DeepQ)
    assert not isinstance(acting, DeepQLearner)
    assert acting.version == 20
    batch = batch_of(random, 50, 6)
    slates = [policy.act_batch(batch, 3, np.random.default_rng(1)) for policy in (learner, acting)]
    np.testing.assert_array_equal(slates[0].chosen, slates[1].chosen)
    np.testing.assert_array_equal(slates[0].propensities, slates[1].propensities)
    with pytest.raises(PolicyError, match="learner_from"):
        acting.learn(outcomes_at_random(random, 2, 2))
    again = learner_from(acting.state())
    again.learn(outcomes_at_random(random, 40, 2))
    assert again.version == 21


def test_what_learnt_nothing_acts_by_interest() -> None:
    batch = batch_of(np.random.default_rng(0), 20, 5)
    policy = DeepQ(SETTINGS, replace(OPTIONS, epsilon=0.0, temperature=1e-6))
    chosen = policy.act_batch(batch, 1, np.random.default_rng(0)).chosen[:, 0]
    np.testing.assert_array_equal(chosen, batch.interest.argmax(1))


def _advantages(parameters: SimulatorParameters) -> np.ndarray:
    """Learnt advantages of what is shown in the last rounds."""
    rates = (0.05, 0.2, 0.8)
    settings = RewardModelSettings(
        feature_count(parameters.categories), examination=parameters.examination, exposure_rates=rates
    )
    learner = DeepQLearner(settings, DeepQOptions(context_size(parameters.categories), batch_decisions=128))
    shown = []

    def show(world: World, batch: CandidateBatch, slates: SlateBatch, feedback: Feedback) -> None:
        shown.append(outcomes_of(np.arange(len(slates.chosen)), batch, slates, feedback.expected))

    run_policy(parameters, 0, learner, show)
    learnt = []
    for outcomes in shown[-10:]:
        expected = learner.model.mean(outcomes.items, outcomes.interest, outcomes.features)
        inputs = network_inputs(expected, outcomes.interest, outcomes.features)
        learnt.append(advantages(learner.weights, learner.input_scaling.scaled(inputs)))
    return np.concatenate(learnt)


@pytest.mark.slow
def test_a_place_costs_later_rewards_where_users_tire_and_nothing_where_they_do_not() -> None:
    torch.manual_seed(0)
    plain = SimulatorParameters(users=200, rounds=60, items=20, drift=0.0)
    tiring, same = _advantages(replace(plain, satiation=0.2)), _advantages(plain)
    assert np.median(tiring) < -0.01
    assert (tiring < 0).mean() > 0.7
    assert abs(np.median(same)) < 0.005


def test_a_batch_of_decisions_that_are_first_of_their_users_is_learnt() -> None:
    random = np.random.default_rng(0)
    learner = DeepQLearner(SETTINGS, OPTIONS)
    batch = batch_of(random, 5, 4)
    slates: SlateBatch = learner.act_batch(batch, 2, random)
    learner.learn(outcomes_of(np.arange(5), batch, slates, np.zeros((5, 2))))
    assert learner.version == 1


def test_returns_of_several_steps_and_slates_with_too_few_items() -> None:
    random = np.random.default_rng(0)
    learner = DeepQLearner(SETTINGS, replace(OPTIONS, steps=3))
    for _ in range(5):
        batch = batch_of(random, 9, 1)
        slates = learner.act_batch(batch, 2, random)
        learner.learn(outcomes_of(np.arange(9), batch, slates, random.random((9, 2))))
    assert all(np.isfinite(array).all() for array in learner.weights.values())


def test_it_runs_on_simulated_users() -> None:
    parameters = SimulatorParameters(users=50, rounds=12, items=12)
    settings = RewardModelSettings(feature_count(parameters.categories), examination=parameters.examination)
    policy = DeepQLearner(settings, replace(OPTIONS, context_size=context_size(parameters.categories)))
    run = run_policy(parameters, 0, policy)
    assert policy.version == 8
    assert run.reward.mean() > 0.3


def test_its_propensities_sum_to_one_over_all_slates() -> None:
    random = np.random.default_rng(0)
    learner = DeepQLearner(SETTINGS, replace(OPTIONS, temperature=0.1, epsilon=0.1))
    learner.learn(outcomes_at_random(random, 40, 2))
    learner.learn(outcomes_at_random(random, 40, 2))
    batch = batch_of(random, 1, 4)
    slates = np.array(list(permutations(range(4), 2)))
    p = [learner.propensities(batch, slate[None], random).prod() for slate in slates]
    assert sum(p) == pytest.approx(1)
    assert min(p) > 0

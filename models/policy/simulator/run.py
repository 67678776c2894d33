"""A policy on the simulated users: acts, waits until rewards are complete, learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.policy.policy import Policy
from models.policy.simulator.parameters import SimulatorParameters
from models.policy.simulator.world import Feedback, World
from models.policy.slate import CandidateBatch, FloatArray, Outcomes, SlateBatch, outcomes_of


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """Figures of one run, by round: means per decision."""

    reward: FloatArray
    """[T] clicks and purchases, these whenever they come"""
    expected: FloatArray
    """[T] expectation of it, given what was shown"""
    regret: FloatArray
    """[T] expected reward of the oracle, in its own run of the same users, less `expected`"""


OnRound = Callable[[World, CandidateBatch, SlateBatch, Feedback], None]


def run_policy(
    parameters: SimulatorParameters,
    seed: int,
    policy: Policy,
    on_round: OnRound | None = None,
    oracle: FloatArray | None = None,
) -> SimulatedRun:
    """Run the policy on the users of this seed.

    `oracle` [T] is what `run_oracle` gives; without it regret is NaN.
    """
    world, random = World(parameters, seed), np.random.default_rng([seed, 3])
    users, size = np.arange(parameters.users), len(parameters.examination)
    waiting: deque[Outcomes] = deque()
    reward, expected = np.zeros(parameters.rounds), np.zeros(parameters.rounds)
    for index in range(parameters.rounds):
        batch = world.candidates()
        slates = policy.act_batch(batch, size, random)
        feedback = world.respond(slates)
        if on_round is not None:
            on_round(world, batch, slates, feedback)
        reward[index] = feedback.rewards(parameters).sum(1).mean()
        expected[index] = feedback.expected.sum(1).mean()
        rewards = feedback.rewards(parameters, parameters.horizon_rounds)
        waiting.append(outcomes_of(users, batch, slates, rewards))
        if len(waiting) > parameters.horizon_rounds:
            policy.learn(waiting.popleft())
    return SimulatedRun(reward, expected, np.full(parameters.rounds, np.nan) if oracle is None else oracle - expected)


def run_oracle(parameters: SimulatorParameters, seed: int) -> FloatArray:
    """[T] expected reward per decision of a policy that knows all probabilities, and shows the best slate.

    Where there is satiation it counts it twice, which is its effect on the clicks of now and, to first order, of later:
    of a flow x into a category, with revenue x·exp(-c x), the derivative is exp(-c x)(1 - c x) ≈ exp(-2 c x).
    """
    world = World(parameters, seed)
    size, factor = len(parameters.examination), 2.0
    expected = np.zeros(parameters.rounds)
    for index in range(parameters.rounds):
        value = world.click_p(factor) * world.item_value()
        chosen = np.argsort(-value, axis=1, kind="stable")[:, :size]
        expected[index] = world.respond(SlateBatch(chosen, np.ones(chosen.shape))).expected.sum(1).mean()
    return expected

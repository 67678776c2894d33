"""Decisions of a process, rewards that fade with what users saw before, and what a deep Q-network learns of both."""

import msgspec
import numpy as np
from aiokafka import TopicPartition

from models.policy.deep_q.network import advantages
from models.policy.deep_q.policy import DeepQ, network_inputs
from streams.feedback.learner import Learner
from streams.feedback.open_decision import OpenDecision
from streams.policy.decider import Assignment, Decider, Interests
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.policy.outcomes import outcomes_of
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.schema.decisions.reward import Reward
from streams.settings.policy_section import PolicySettings
from tests.records import consumer_record

TP = TopicPartition("rewards", 0)
ROUNDS, CATEGORIES = 25, 4
CATALOG = {f"i{number}": DescribedItem((f"c{number % CATEGORIES}",)) for number in range(12)}
SETTINGS = PolicySettings(
    kinds="dqn",
    dqn_places=2,
    examination="1, 0.5",
    publish_interval_s=0.05,
    guard=False,
    options={"dqn": {"batch_decisions": 128, "sure_deviations": 1, "epsilon": 0.1, "learning_rate": 0.005}},
)


def interests(random: np.random.Generator) -> Interests:
    p = random.dirichlet(np.ones(len(CATALOG)))
    names = [f"c{number}" for number in range(CATEGORIES)]
    return Interests(list(CATALOG), p.tolist(), names, [float(p[number::CATEGORIES].sum()) for number in range(4)])


def reward_of(decision: Decision, rewards: np.ndarray) -> Reward:
    closed = OpenDecision.of(decision).reward(0)
    return msgspec.structs.replace(closed, rewards=tuple(rewards.tolist()), reward=float(rewards.sum()))


def learnt_advantages(rate: float) -> np.ndarray:
    """Of what is shown in the last rounds, where rewards fade by exp(-rate * exposure)."""
    random = np.random.default_rng(0)
    learner, known, decider = Learner(SETTINGS, {}, catalog=CATALOG), KnownPolicies(SETTINGS), Decider(SETTINGS, random)
    users = {f"u{number}": interests(random) for number in range(50)}
    last: list[Reward] = []
    for number in range(ROUNDS):
        rewards = []
        for user_id, of_user in users.items():
            request = DecisionRequest(user_id, 2)
            made = decider.decide(f"{number}:{user_id}", request, of_user, CATALOG, known.default, Assignment(), number)
            exposures = np.array([row[-1] for row in made.features])
            p = np.array(made.interest) * 3 * np.exp(-rate * exposures) * SETTINGS.examined
            rewards.append(reward_of(made, (random.random(2) < p) * 1.0))
        learner.learn(
            {TP: [consumer_record(msgspec.json.encode(one), one.user_id.encode(), offset=number) for one in rewards]}
        )
        if (publication := learner.publication()) is not None:
            for record in publication[0]:
                known.put(record.key, record.value)
            learner.published()
        last = rewards
    policy = known.default
    assert isinstance(policy, DeepQ)
    shown = outcomes_of(last, SETTINGS.item_buckets, CATALOG)
    expected = policy.model.mean(shown.items, shown.interest, shown.features)
    inputs = network_inputs(expected, shown.interest, shown.features)
    return advantages(policy.weights, policy.input_scaling.scaled(inputs))


def test_it_learns_that_a_place_costs_later_rewards_where_users_tire_and_nothing_where_they_do_not() -> None:
    tiring, same = learnt_advantages(0.3), learnt_advantages(0.0)
    assert tiring.mean() < -0.02
    assert (tiring < 0).mean() > 0.7
    assert abs(same.mean()) < 0.02

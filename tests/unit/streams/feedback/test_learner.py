from dataclasses import asdict

import msgspec
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from models.policy.guard import GuardSettings
from models.policy.saved_arrays import dump_policy, load_policy
from streams.feedback.learner import Learner
from streams.kafka.transaction import ProducerRecord
from streams.policy.features import CATEGORY_BUCKETS, FEATURES
from streams.policy.known_policies import GUARD, KnownPolicies
from streams.schema.decisions.reward import Reward
from streams.settings.policy_section import PolicySettings
from tests.records import consumer_record

TP = TopicPartition("rewards", 0)


def reward(number: int, user: str, value: float, **wrong: object) -> "ConsumerRecord[bytes, bytes]":
    record = Reward(
        decision_id=f"d{number}",
        user_id=user,
        time=number,
        closed_at=number,
        closed="horizon",
        policy="greedy",
        policy_version=0,
        slate=("i1",),
        propensities=(1.0,),
        rewards=(value,),
        reward=value,
        interest=(0.1,),
        features=((0.1,) * FEATURES,),
        context=(0.0,) * CATEGORY_BUCKETS,
    )
    value_ = msgspec.json.encode(msgspec.to_builtins(record) | wrong)
    return consumer_record(value_, user.encode(), topic=TP.topic, partition=0, offset=number, timestamp=number)


def published(records: list[ProducerRecord]) -> dict[str, bytes]:
    return {record.key.decode(): record.value for record in records if record.key and record.value}


def rewards_learnt(learner: Learner) -> dict[str, float]:
    """By policy how many rewards it has learnt from, as they would be published."""
    publication = learner.publication()
    assert publication is not None
    states = published(publication[0])
    states.pop(GUARD, None)
    return {name: round(float(load_policy(state)[3]["noise"][1]) - 1, 6) for name, state in states.items()}


def test_every_policy_learns_every_reward_once_and_goes_on_from_its_state() -> None:
    settings = PolicySettings(kinds="greedy,linucb", publish_interval_s=3600)
    learner = Learner(settings, {})
    learner.learn({TP: [reward(0, "u1", 1.0), reward(1, "u2", 0.0)]})
    assert rewards_learnt(learner) == {"greedy": 2, "linucb": 2}
    publication = learner.publication()
    assert publication is not None
    states, offsets = publication
    assert offsets == {TP: 2}
    learner.published()
    learner.learn({TP: [reward(2, "u1", 0.0)]})
    assert learner.publication() is None  # too soon
    successor = Learner(settings, published(states))
    assert successor.publication() is None  # nothing new
    successor.learn({TP: [reward(2, "u1", 0.0)]})
    assert rewards_learnt(successor) == {"greedy": 3, "linucb": 3}


def test_rewards_without_features_and_what_is_none_are_counted_and_passed_over() -> None:
    learner = Learner(PolicySettings(kinds="greedy"), {})
    broken = consumer_record(b"{", b"u1", topic=TP.topic, partition=0, offset=2)
    learner.learn({TP: [reward(0, "u1", 1.0, features=[[1.0]]), reward(1, "u2", 0.0, slate=[]), broken]})
    assert (learner.learnt, learner.unusable) == (0, 3)
    assert rewards_learnt(learner) == {"greedy": 0}


def test_rewards_of_the_predictions_of_another_recipe_are_not_learnt() -> None:
    learner = Learner(PolicySettings(kinds="greedy"), {}, lambda experiment, arm: (experiment, arm) != ("e", "other"))
    learner.learn({TP: [reward(n, "u1", 1.0, experiment="e", arm=arm) for n, arm in enumerate(("", "own", "other"))]})
    assert (learner.learnt, learner.unusable) == (2, 0)
    assert rewards_learnt(learner) == {"greedy": 2}


def test_the_guard_leaves_out_who_rewards_an_item_at_every_sight() -> None:
    records = [reward(number, f"u{number % 50}", 0.0) for number in range(200)]
    records += [reward(200 + number, "attacker", 1.0) for number in range(100)]
    learnt = {}
    for guard in (True, False):
        learner = Learner(PolicySettings(kinds="greedy", guard=guard), {})
        for begin in range(0, 300, 10):
            learner.learn({TP: records[begin : begin + 10]})
        learnt[guard] = rewards_learnt(learner)["greedy"], learner.left_out
    assert learnt[False] == (300, 0)
    assert learnt[True][0] + learnt[True][1] == 300
    assert learnt[True][1] > 70


def test_a_restart_gives_who_was_left_out_no_clean_slate(caplog: pytest.LogCaptureFixture) -> None:
    settings = PolicySettings(kinds="greedy", publish_interval_s=0.05)
    learner = Learner(settings, {})
    learner.learn({TP: [reward(number, "attacker", 1.0) for number in range(10)]})
    learner.learn({TP: [reward(10 + number, "attacker", 1.0) for number in range(10)]})
    publication = learner.publication()
    assert publication is not None
    known = KnownPolicies(settings)  # as the process that learns next reads it
    for record in publication[0]:
        known.put(record.key, record.value)
    assert known.versions() == {"greedy": 2}
    attack = {TP: [reward(20 + number, "attacker", 1.0) for number in range(5)]}
    successor = Learner(settings, known.states)
    successor.learn(attack)
    assert (successor.learnt, successor.left_out) == (5, 5)
    assert not caplog.records
    for damaged in (b"?", dump_policy(GUARD, 0, {}, {}), dump_policy(GUARD, 0, asdict(GuardSettings()), {})):
        anew = Learner(settings, known.states | {GUARD: damaged})
        anew.learn(attack)
        assert anew.left_out == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_a_deep_q_network_learns_slates_of_any_width_and_acts_without_its_learner() -> None:
    settings = PolicySettings(kinds="dqn", dqn_places=2, options={"dqn": {"hidden": 4, "batch_decisions": 8}})
    wide: dict[str, object] = {"slate": ["i1", "i2", "i3"], "features": [[0.1] * FEATURES] * 3}
    wide |= {"rewards": [1.0] * 3, "propensities": [1.0] * 3, "interest": [0.1] * 3}
    learner = Learner(settings, {})
    for number in range(6):
        learner.learn({TP: [reward(2 * number, "u1", 1.0), reward(2 * number + 1, "u2", 1.0, **wide)]})
    assert (learner.learnt, learner.unusable) == (12, 0)
    publication = learner.publication()
    assert publication is not None
    known = KnownPolicies(settings)
    known.put(publication[0][0].key, publication[0][0].value)
    assert known.versions() == {"dqn": 6}
    successor = Learner(settings, known.states)
    successor.learn({TP: [reward(12, "u1", 1.0)]})
    assert successor.publication() is not None

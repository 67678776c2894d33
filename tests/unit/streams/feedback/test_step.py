"""What foreign or broken programs may write: none of it ends the process, or stays in it for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from models.policy.saved_arrays import load_policy
from state.options import StoreMemory
from streams.feedback.feedback_store import FeedbackStore, StorePosition
from streams.feedback.learner import Learner
from streams.feedback.step import PartitionRecords, PartitionStepper
from streams.policy.arms import Arms
from streams.policy.features import CATEGORY_BUCKETS, FEATURES
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import decode_decision
from streams.schema.decisions.reward import decode_reward
from streams.schema.decoder import SchemaRules
from streams.settings.settings import Settings, load_settings
from tests.records import consumer_record

NOW_MS = 1_731_900_000_000
DECISION: dict[str, object] = {
    "decision_id": "d", "user_id": "u1", "time": NOW_MS, "slate": ["i1"], "propensities": [1.0], "policy": "greedy",
    "policy_version": 0, "interest": [0.1], "features": [[0.1] * FEATURES], "context": [0.0] * CATEGORY_BUCKETS,
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    store = FeedbackStore(tmp_path / "partition-0", StoreMemory(8 << 20), 1_800_000)
    yield store
    store.close()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("streams.feedback.step.time.time", lambda: NOW_MS / 1000)
    return load_settings(None, ["policy.kinds=greedy"])


def stepper(settings: Settings) -> PartitionStepper:
    return PartitionStepper(settings, SchemaRules.of(settings.events), Arms(KnownPolicies(settings.policy)), {})


def record(value: object, timestamp: int = NOW_MS, key: bytes = b"u1") -> ConsumerRecord[bytes, bytes]:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return consumer_record(data, key, topic="t", partition=0, offset=7, timestamp=timestamp)


@pytest.mark.parametrize("time", [b"1" + b"0" * 24, b"9223372036854775808", b"-1" + b"0" * 24, b"9000000000000000000"])
@pytest.mark.parametrize("timestamp", [-1, 0, NOW_MS, NOW_MS + 10**12])
def test_a_decision_of_a_wrong_clock_is_closed_by_that_of_its_record_or_ours(
    store: FeedbackStore, settings: Settings, time: bytes, timestamp: int
) -> None:
    value = orjson.dumps(DECISION).replace(str(NOW_MS).encode(), time)
    step = stepper(settings).step(store, PartitionRecords(decisions=[record(value, timestamp)]))
    store.write(step.changes, {}, StorePosition("c", 0, "p", 0))
    assert store.waiting() == 1
    due = stepper(settings).step(store, PartitionRecords(stream_ms=NOW_MS + 1_800_000 + 10_001))
    assert [decode_reward(reward.value or b"").time for reward in due.rewards] == [NOW_MS]


def test_what_is_no_decision_or_would_not_fit_into_the_changelog_is_left_out(
    store: FeedbackStore, settings: Settings
) -> None:
    wrong: list[dict[str, object]] = [
        {"context": [0] * 1001},
        {"features": [[0.0] * 101]},
        {"propensities": [0]},
        {"slate": [""]},
    ]
    values = [*(DECISION | fields for fields in wrong), b"", b"[]", b"\xff", b'{"decision_id": "\\ud800"}']
    step = stepper(settings).step(store, PartitionRecords(decisions=list(map(record, values))))
    assert (step.changes, step.counts.decisions) == ({}, 0)
    others = {"other_items": ["x" * 500] * 1000, "other_interest": [0.1] * 1000, "other_features": [[0.1] * 100] * 1000}
    step = stepper(settings).step(store, PartitionRecords(decisions=[record(DECISION | others)]))
    assert step.counts.decisions == 1
    assert all(len(value or b"") < 1000 for value in step.changes.values())


def test_odd_requests_are_answered_or_go_to_the_dead_letters(store: FeedbackStore, settings: Settings) -> None:
    long = [f"{'é' * 500}{number}" for number in range(100)]
    answered: list[dict[str, object]] = [
        {"candidates": ["a", "a", "\0", "é", "😀", "a\nb"], "size": 100},
        {"candidates": long, "size": 100},
        {"candidates": [str(number) for number in range(1000)], "size": 100},
        {"candidates": ["a"], "experiment": "\0", "request_id": "\0", "max_age_s": 1e300, "min_price": -1e300},
    ]
    refused: list[dict[str, object]] = [
        {"candidates": ["a"] * 10_000},
        {"candidates": [""]},
        {"size": 101},
        {"size": -1},
        {"max_age_s": -1},
    ]
    requests = [record({"user_id": "u1"} | fields) for fields in (*answered, *refused)]
    requests += [record(b'{"user_id": "u1", "candidates": ["\\ud800"]}'), record({"user_id": "u1"}, key=b"")]
    step = stepper(settings).step(store, PartitionRecords(requests=requests))
    made = [decode_decision(decision.value or b"") for decision in step.decisions]
    assert [len(decision.slate) for decision in made] == [5, 100, 100, 0]
    assert all(len(set(decision.slate)) == len(decision.slate) for decision in made)
    assert made[3].ruled_out == {"min_price": 1}
    assert len(step.letters) == len(refused) + 2
    assert max(len(decision.value or b"") for decision in step.decisions) < 1 << 20


def test_a_reward_of_huge_numbers_leaves_what_is_learnt_finite(settings: Settings) -> None:
    learner = Learner(settings.policy, {})
    reward = {**DECISION, "closed_at": 0, "closed": "horizon", "rewards": [1.0], "reward": 1.0}
    wrong: list[dict[str, object]] = [
        {"features": [[1e308] * FEATURES]},
        {"interest": [-1e300]},
        {"rewards": [1e308]},
        {"context": [1e7] * 16},
    ]
    for fields in (*wrong, {}):
        learner.learn({TopicPartition("t", 0): [record(reward | fields)]})
    assert (learner.learnt, learner.unusable) == (1, len(wrong))
    publication = learner.publication()
    assert publication is not None
    load_policy(publication[0][0].value or b"")  # raises where a number is not finite


def test_a_prediction_that_is_no_distribution_is_that_of_an_unknown_user(
    store: FeedbackStore, settings: Settings
) -> None:
    prediction: dict[str, object] = {
        "prediction_id": "p", "user_id": "u1", "caused_by": "e", "event_time": 1, "emitted_at": 2,
        "model_version": "5e1f09d4.17", "state_version": 3, "source": {"topic": "t", "partition": 0, "offset": 7},
        "items": ["a", "b"], "item_p": [0.5, 0.1], "other_p": 0.4, "categories": ["x"], "category_p": [0.9],
        "because": [], "because_weight": [], "because_other": 1.0,
        "carried_by": {"attention": 0.25, "copying": 0.25, "following": 0.25, "popularity": 0.25},
    }  # fmt: skip
    slates = []
    wrong: list[dict[str, object]] = [
        {"item_p": [0.5]},
        {"category_p": []},
        {"item_p": [1e308, 0.1]},
        {"item_p": [0.5, -5.0]},
    ]
    for fields in ({}, *wrong):
        predictions = {b"u1": orjson.dumps(prediction | fields)}
        records = PartitionRecords(requests=[record({"user_id": "u1"})], predictions=predictions)
        (made,) = stepper(settings).step(store, records).decisions
        slates.append(msgspec.json.decode(made.value or b"")["slate"])
    assert slates == [["a", "b"], [], [], [], []]

"""Decisions, the events that name them and their rewards, each exactly once, on a real broker."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from shutil import rmtree
from typing import Any

import msgspec
import orjson
import pytest

from models.policy.saved_arrays import load_policy
from streams.feedback.topics import feedback_changelog, policy_topics
from streams.kafka.reader import partition_of
from streams.kafka.topics import ensure_topics
from streams.schema.decisions.decision import Decision, decode_decision
from streams.schema.decisions.reward import Reward, decode_reward
from streams.settings.settings import load_settings
from tests.integration.deployment import Deploy, Deployment
from tests.integration.faults import combine, keep_transactions_open, signal_at
from tests.integration.worker import DEADLINE_S, Command, Fault, killed_at_end
from tests.topics import create_topics

PRODUCER = "streams.kafka.fenced_producer:FencedProducer"
USERS = 12
DECISIONS = 240
CLOSED_AGO_S = 7200.0
PREDICTION = {
    "prediction_id": "user-events:0:7",
    "user_id": "u1",
    "caused_by": "e",
    "event_time": 1,
    "emitted_at": 2,
    "model_version": "5e1f09d4.17",
    "state_version": 3,
    "source": {"topic": "user-events", "partition": 0, "offset": 7},
    "items": ["i1", "i2", "i3"],
    "item_p": [0.5, 0.2, 0.1],
    "other_p": 0.2,
    "categories": ["Drama"],
    "category_p": [0.9],
    "because": [],
    "because_weight": [],
    "because_other": 0.1,
    "carried_by": {"attention": 0.25, "copying": 0.25, "following": 0.25, "popularity": 0.25},
}


class PolicySite:
    """A deployment with the topics of policies, and processes of them."""

    def __init__(self, site: Deployment, processes: list[Command]) -> None:
        self.site = site
        self.processes = processes
        self.events = f"{site.settings.kafka.group_id}-past-events"
        self.settings = load_settings(None, [*site.overrides("a"), f"topics.user_events={self.events}"])

    async def create(self) -> PolicySite:
        """The topics, of which that of events keeps the producer's times: so the past can be sent."""
        await create_topics(self.site.servers, {self.events: self.settings.topics.partitions})
        await ensure_topics(self.settings, policy_topics(self.settings))
        return self

    def overrides(self, name: str) -> list[str]:
        folder = self.site.folder / f"policy-{name}"
        settings = [*self.site.overrides(name), f"policy.data_dir={folder}", f"topics.user_events={self.events}"]
        return [f"--set={override}" for override in settings]

    def start(self, name: str = "a", fault: Fault | None = None) -> Command:
        log = self.site.folder / f"policy-{len(self.processes)}.log"
        self.processes.append(Command(["policy", *self.overrides(name)], log, fault))
        return self.processes[-1]

    async def send(self, topic: str, pairs: Sequence[tuple[str, Any]], time_ms: int | None = None) -> None:
        """Records of these users, each in the user's partition, as of this time."""
        partitions = self.settings.topics.partitions
        async with self.site.producer(enable_idempotence=True) as producer:
            for user, value in pairs:
                data = value if isinstance(value, bytes) else orjson.dumps(msgspec.to_builtins(value))
                key = user.encode()
                partition = partition_of(key, partitions)
                await producer.send(topic, data, key=key, partition=partition, timestamp_ms=time_ms)
            await producer.flush()

    async def stop(self, process: Command, number: signal.Signals = signal.SIGTERM) -> None:
        await process.wait_for("a member of the group")
        process.send(number)
        assert await process.ended() == 0, process.text()
        assert "Traceback" not in process.text()

    async def rewards(self, count: int) -> list[Reward]:
        """All committed rewards, once there are so many."""
        records = await self.records(self.settings.topics.interest_rewards, count)
        rewards = [decode_reward(record.value) for record in records]
        for record, reward in zip(records, rewards, strict=True):
            assert record.key == reward.user_id.encode()
            assert record.partition == partition_of(record.key, self.settings.topics.partitions)
        return rewards

    async def records(self, topic: str, count: int) -> list[Any]:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                records = [record async for record in self.site.read(topic)]
                if len(records) >= count:
                    return records
                assert any(process.exit_code is None for process in self.processes), self.processes[-1].text()
                await asyncio.sleep(0.1)

    async def learnt_places(self) -> float:
        """Places in the newest published state of the policy."""
        states = [record async for record in self.site.read(self.settings.topics.policy_states)]
        _, _, _, arrays = load_policy(states[-1].value)
        return float(arrays["noise"][1]) - 1  # one before anything is learnt


@pytest.fixture
async def policies(deploy: Deploy) -> AsyncIterator[PolicySite]:
    processes: list[Command] = []
    with killed_at_end(processes):
        site = await deploy(
            "worker.step_max_events=40",
            "feedback.closing_type=purchase",
            "policy.publish_interval_s=0.05",
            "policy.guard=false",  # each place counts, so that they can be counted
        )
        yield await PolicySite(site, processes).create()


def decision(number: int) -> Decision:
    """Made so long ago that its horizon is over, however slow the machine."""
    from streams.policy.features import CATEGORY_BUCKETS, FEATURES

    return Decision(
        decision_id=f"d{number}",
        user_id=f"u{number % USERS}",
        time=int((time.time() - CLOSED_AGO_S) * 1000),
        slate=("i1", "i2"),
        propensities=(0.5, 1.0),
        policy="epsilon_greedy",
        policy_version=0,
        interest=(0.5, 0.2),
        features=((0.1,) * FEATURES,) * 2,
        context=(0.0,) * CATEGORY_BUCKETS,
    )


def feedback(decided: Decision, event_id: str, name: str = "click", item_id: str = "i2") -> dict[str, Any]:
    return {
        "user_id": decided.user_id,
        "event_type": name,
        "item_id": item_id,
        "timestamp": decided.time + 1000,
        "event_id": event_id,
        "decision_id": decided.decision_id,
    }


async def send_all(policies: PolicySite) -> list[Decision]:
    """Decisions whose horizon is over, and events that name a third of them."""
    topics = policies.settings.topics
    decided = [decision(number) for number in range(DECISIONS)]
    await policies.send(topics.interest_decisions, [(d.user_id, d) for d in decided])
    events = [(d.user_id, feedback(d, f"c{n}")) for n, d in enumerate(decided) if n % 3 == 0]
    events += [(d.user_id, feedback(d, f"v{n}", "view", "i1")) for n, d in enumerate(decided) if n % 6 == 0]
    for sent in (events, events[::2]):  # half of them twice, with the same ids
        await policies.send(topics.user_events, sent, decided[0].time + 1000)
    return decided


async def check(policies: PolicySite, decided: Sequence[Decision]) -> None:
    """Each decision has one reward, that of its events, and each reward is learnt once."""
    rewards = await policies.rewards(DECISIONS)
    assert sorted(reward.decision_id for reward in rewards) == sorted(d.decision_id for d in decided)
    for reward in rewards:
        number = int(reward.decision_id[1:])
        expected = {"click": 1} if number % 3 == 0 else {}
        assert reward.feedback == (expected | {"view": 1} if number % 6 == 0 else expected)
        assert (reward.rewards, reward.closed) == ((0.0, float(number % 3 == 0)), "horizon")
    async with asyncio.timeout(DEADLINE_S):
        while await policies.learnt_places() < 2 * DECISIONS:
            await asyncio.sleep(0.1)
    assert await policies.learnt_places() == 2 * DECISIONS


@pytest.mark.parametrize(
    ("method", "after", "keep_folder"),
    [
        pytest.param(f"{PRODUCER}.send_offsets", False, True, id="records-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", False, False, id="offsets-sent-folder-lost"),
        pytest.param(f"{PRODUCER}.commit_transaction", True, True, id="committed-not-stored"),
    ],
)
async def test_each_decision_has_one_reward_whenever_the_process_is_killed(
    policies: PolicySite, method: str, after: bool, keep_folder: bool
) -> None:
    decided = await send_all(policies)
    fault = partial(signal_at, method, 5, signal.SIGKILL, after)
    victim = policies.start(fault=partial(combine, keep_transactions_open, fault))
    assert await victim.ended() == -signal.SIGKILL, victim.text()
    if not keep_folder:
        rmtree(policies.site.folder / "policy-a")
    successor = policies.start()
    await check(policies, decided)
    await policies.stop(successor)
    newest = {r.key: r.value async for r in policies.site.read(feedback_changelog(policies.settings))}
    assert set(newest.values()) == {None}


async def test_a_process_that_was_frozen_in_a_transaction_changes_nothing_after_another_took_over(
    policies: PolicySite,
) -> None:
    decided = await send_all(policies)
    fault = partial(signal_at, f"{PRODUCER}.commit_transaction", 5, signal.SIGSTOP)
    sleeper = policies.start(fault=partial(combine, keep_transactions_open, fault))
    await sleeper.wait_frozen()
    successor = policies.start("b")
    await check(policies, decided)
    sleeper.send(signal.SIGCONT)
    await sleeper.wait_for("a transaction failed")
    await policies.stop(successor)
    more = decision(1000)
    await policies.send(policies.settings.topics.interest_decisions, [(more.user_id, more)])
    assert len(await policies.rewards(DECISIONS + 1)) == DECISIONS + 1
    await policies.stop(sleeper)


async def test_requests_are_answered_and_feedback_reaches_the_policy(policies: PolicySite) -> None:
    topics = policies.settings.topics
    await policies.send(topics.interest_predictions, [("u1", PREDICTION)])
    async with policies.site.producer() as producer:
        await producer.send_and_wait(topics.item_catalog, orjson.dumps({"numbers": {"price": 7}}), key=b"i2")
    first, second = policies.start("a"), policies.start("b")
    for process in (first, second):
        await process.wait_for("a member of the group")
    # A prediction is followed, a request read: in whatever order they arrive, in the end the user is known.
    async with asyncio.timeout(DEADLINE_S):
        while True:
            before = len([record async for record in policies.site.read(topics.interest_decisions)])
            await policies.send(topics.decision_requests, [("u1", {"user_id": "u1", "size": 2, "request_id": "r"})])
            records = await policies.records(topics.interest_decisions, before + 1)
            made = decode_decision(records[-1].value)
            if made.slate:
                break
    assert (made.user_id, made.model_version, made.candidates) == ("u1", "5e1f09d4.17", 3)
    assert len(made.slate) == len(made.propensities) == 2
    assert (made.policy, made.request_id) == ("epsilon_greedy", "r")
    assert made.decision_id.startswith(f"{topics.decision_requests}:")

    before = len([record async for record in policies.site.read(topics.interest_decisions)])
    cheap = [("u1", {"user_id": "u1", "max_price": price}) for price in (7, 6)]
    await policies.send(topics.decision_requests, cheap)
    filtered = [decode_decision(r.value) for r in await policies.records(topics.interest_decisions, before + 2)][-2:]
    assert [decided.slate for decided in filtered] == [("i2",), ()]
    assert (filtered[1].empty_because, filtered[1].ruled_out) == ("ruled_out", {"max_price": 3})

    await policies.send(topics.decision_requests, [("u1", b"{"), ("u2", {"user_id": "u1"})])
    await policies.send(topics.user_events, [("u1", feedback(made, "e1", "purchase", made.slate[1]))])
    (reward,) = await policies.rewards(1)
    assert (reward.decision_id, reward.rewards, reward.closed) == (made.decision_id, (0.0, 5.0), "feedback")
    letters = await policies.records(topics.user_events_dlq, 2)
    assert {dict(record.headers)["interest.error.reason"] for record in letters} == {b"not_json", b"key_mismatch"}
    async with asyncio.timeout(DEADLINE_S):
        while await policies.learnt_places() < 2:
            await asyncio.sleep(0.1)
    await policies.stop(first, signal.SIGINT)
    await policies.stop(second)


async def test_a_user_who_is_erased_has_no_reward(policies: PolicySite) -> None:
    topics = policies.settings.topics
    erased, kept = decision(1), decision(2)
    await policies.send(topics.interest_decisions, [(d.user_id, d) for d in (erased, kept)])
    erasure = {"user_id": erased.user_id, "event_type": "user.delete"}
    await policies.send(
        topics.user_events, [(erased.user_id, erasure), (kept.user_id, feedback(kept, "e", "purchase"))]
    )
    process = policies.start()
    (reward,) = await policies.rewards(1)
    assert reward.decision_id == kept.decision_id
    await policies.stop(process)
    assert len(await policies.rewards(1)) == 1


async def test_a_process_without_a_right_to_its_options_says_so_in_one_line(policies: PolicySite) -> None:
    wrong = Command(
        ["policy", *policies.overrides("a"), "--set=policy.options={ softmax = { temperature = 1.0 } }"],
        policies.site.folder / "wrong.log",
    )
    policies.processes.append(wrong)
    assert await wrong.ended() == 70
    assert "policy.options: softmax is not among policy.kinds" in wrong.text()
    assert "Traceback" not in wrong.text()

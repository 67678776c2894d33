"""Experiments on a real broker: the commands, the HTTP API, and the watch of guardrails."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter

import httpx
import msgspec
import orjson
import pytest

from streams.kafka.topic_specs import every_topic_spec
from streams.kafka.topics import ensure_topics
from streams.schema.decisions.decision import Decision, DecisionRequest, decode_decision, encode_decision
from streams.schema.decisions.reward import Reward, decode_reward
from streams.schema.predictions import Prediction, decode
from tests.inputs import event
from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deploy, Deployment
from tests.integration.web_site import WebSite, eventually
from tests.integration.worker import DEADLINE_S, Command, killed_at_end
from tests.unit.streams.experiments.rewards import reward
from tests.unit.streams.policy.logs import shown_at_random

USERS = 240
CREATE = (
    "experiments", "create", "explore", "--arm", "usual", "--arm", "warm:policy=softmax,temperature=0.5",
    "--arm", "harmful:policy=thompson", "--guardrail", "reward:decrease:0.05", "--expected-users", "700",
    "--min-users", "50", "--holdout", "0.05", "--set=policy.kinds=epsilon_greedy,softmax,thompson",
)  # fmt: skip
RATES = {"usual": 0.3, "warm": 0.6, "harmful": 0.02}


def outcomes(start_ms: int) -> list[Reward]:
    """Of users in turn, five decisions each; those that were clicked are closed by it, the others by the horizon."""
    source = random.Random(0)
    made = []
    for number in range(5 * USERS):
        for arm, rate in RATES.items():
            value = float(source.random() < rate)
            closed = "feedback" if value else "horizon"
            time_ms = start_ms + number
            closed_at = time_ms + (100 if value else 1000)
            user = f"{arm}-{number % USERS}"
            made.append(
                reward(user, value, time=time_ms, closed=closed, closed_at=closed_at, experiment="explore", arm=arm)
            )
    return sorted(made, key=lambda one: one.closed_at)


async def send(site: Deployment, rewards: list[Reward]) -> None:
    topics, web = site.settings.topics, WebSite.of(site)
    decisions = [
        Decision(
            decision_id=one.decision_id, user_id=one.user_id, time=one.time, slate=one.slate, propensities=(1.0,),
            policy="greedy", policy_version=0, experiment=one.experiment, arm=one.arm,
        )
        for one in rewards
    ]  # fmt: skip
    await web.send(topics.interest_decisions, [(one.user_id.encode(), encode_decision(one)) for one in decisions])
    arm = {"experiment": "explore", "arm": "usual"}
    wrong = [reward("usual-0", 1e308, time=rewards[0].time, **arm), reward("usual-0", 1.0, time=1 << 50, **arm)]
    passed_over = [(one.user_id.encode(), msgspec.json.encode(one)) for one in wrong]
    await web.send(topics.interest_rewards, [*passed_over, (b"u", b"{}")])
    await web.send(topics.interest_rewards, [(one.user_id.encode(), msgspec.json.encode(one)) for one in rewards])


async def with_policy_topics(deploy: Deploy, *overrides: str) -> Deployment:
    site = await deploy(*overrides)
    await ensure_topics(site.settings, [spec.name for spec in every_topic_spec(site.settings)])
    return site


async def test_an_experiment_from_its_beginning_to_its_end(deploy: Deploy) -> None:
    site = await with_policy_topics(deploy)
    assert "no experiment yet" in await asyncio.to_thread(succeeds, site, "experiments", "list")
    assert "explore runs: usual, warm, harmful" in await asyncio.to_thread(succeeds, site, *CREATE)
    unknown = (*CREATE[:3], "--arm", "usual", "--arm", "other:policy=linucb")
    assert "arm other: the policy linucb is not among" in await asyncio.to_thread(fails, site, *unknown)
    unknown = (*CREATE[:3], "--arm", "usual", "--arm", "other:warmth=2")
    assert "arm other: policy.options of epsilon_greedy" in await asyncio.to_thread(fails, site, *unknown)
    assert "already, which runs" in await asyncio.to_thread(fails, site, *CREATE)
    rewards = outcomes(int(time.time() * 1000) - 60_000)
    await send(site, rewards)
    printed = json.loads(await asyncio.to_thread(succeeds, site, "experiments", "result", "explore", "--json"))
    assert [(arm["name"], arm["users"], arm["exposed"], arm["decisions"]) for arm in printed["arms"]] == [
        (arm, USERS, USERS, 5 * USERS) for arm in RATES
    ]
    means = {arm: sum(one.reward for one in rewards if one.arm == arm) / (5 * USERS) for arm in RATES}
    assert {arm["name"]: round(arm["mean"], 9) for arm in printed["arms"]} == {
        arm: round(mean, 9) for arm, mean in means.items()
    }
    assert (printed["winner"], printed["sample_ratio"]["is_right"]) == ("warm", True)
    assert [guardrail["is_crossed"] for arm in printed["arms"] for guardrail in arm["guardrails"]] == [False, True]
    shown = await asyncio.to_thread(succeeds, site, "experiments", "result", "explore")
    assert "winner: warm" in shown
    assert "guardrail reward of harmful crossed" in shown
    async with WebSite.of(site).serve(is_ready=False) as client:
        listed = await eventually(client, "/v1/experiments", lambda body: body["experiments"])
        assert [(one["name"], one["winner"]) for one in listed["experiments"]] == [("explore", "warm")]
        answered = (await client.get("/v1/experiments/explore")).json()
        assert (answered["arms"], answered["history"]) == (printed["arms"], printed["history"])
        assert (await client.get("/v1/experiments/other")).status_code == 404
        words = [f"--set={override}" for override in site.overrides("policy")]
        policy = Command(
            ["policy", *words, f"--set=policy.data_dir={site.folder / 'policy'}"], site.folder / "policy.log"
        )
        with killed_at_end([policy]):
            stopped = await eventually(
                client, "/v1/experiments/explore", lambda body: body["arms"][2]["state"] == "stopped"
            )
            await policy.stop()
        assert "arm harmful is stopped: guardrail reward" in policy.text()
        assert "guardrail reward" in stopped["arms"][2]["stopped_because"]
        assert [arm["state"] for arm in stopped["arms"]] == ["running", "running", "stopped"]
        assert stopped["winner"] == "warm"
    assert "50.0%" in await asyncio.to_thread(succeeds, site, "experiments", "traffic", "explore", "0.5")
    assert "traffic" in await asyncio.to_thread(fails, site, "experiments", "traffic", "explore", "1.5")
    await asyncio.to_thread(succeeds, site, "experiments", "stop", "explore", "--because", "warm is rolled out")
    assert "the control" in await asyncio.to_thread(fails, site, "experiments", "stop", "explore", "--arm", "usual")
    (record,) = json.loads(await asyncio.to_thread(succeeds, site, "experiments", "list", "--json"))
    assert record["traffic"] == 0.5
    assert "has been stopped" in await asyncio.to_thread(fails, site, "experiments", "traffic", "explore", "1")
    assert record["stopped_because"] == "warm is rolled out"
    assert [arm["stopped_at"] is not None for arm in record["arms"]] == [False, False, True]
    assert "there are: explore" in await asyncio.to_thread(fails, site, "experiments", "stop", "other")


async def test_arms_are_estimated_before_anybody_is_in_them(deploy: Deploy) -> None:
    site = await with_policy_topics(deploy)
    estimate = ("experiments", "estimate", "--arm", "best:policy=greedy", "--arm", "any:temperature=1000000")
    settings = ["policy.kinds=softmax,greedy"]
    assert "holds no reward" in await asyncio.to_thread(fails, site, *estimate, overrides=settings)
    web = WebSite.of(site)
    topics = site.settings.topics
    [(earlier, its_reward)] = shown_at_random(1)
    earlier.decision_id = its_reward.decision_id = "earlier"
    earlier.features = ((0.1,),)
    await web.send(topics.interest_decisions, [(b"u0", encode_decision(earlier))])
    await web.send(topics.interest_rewards, [(b"u0", msgspec.json.encode(its_reward))])
    assert "1 decisions have a reward, but" in await asyncio.to_thread(fails, site, *estimate, overrides=settings)
    pairs = shown_at_random(300)
    await web.send(topics.interest_decisions, [(one.user_id.encode(), encode_decision(one)) for one, _ in pairs])
    await web.send(topics.interest_rewards, [(one.user_id.encode(), msgspec.json.encode(one)) for _, one in pairs])
    printed = await asyncio.to_thread(succeeds, site, *estimate, "--json", overrides=settings)
    logged, best, at_random = json.loads(printed)
    assert (logged["name"], best["name"], at_random["name"]) == ("logged", "best", "any")
    assert logged["estimates"]["mean"]["value"] == pytest.approx(1 / 3, abs=0.08)
    assert best["estimates"]["snips"]["value"] == pytest.approx(1.0)
    assert best["effective_decisions"] == pytest.approx(300 / 3, abs=25)
    assert at_random["estimates"]["snips"]["value"] == pytest.approx(logged["estimates"]["mean"]["value"], abs=0.001)
    assert "1.000 [1.000, 1.000]" in await asyncio.to_thread(succeeds, site, *estimate, overrides=settings)
    assert "by 'linucb'" in await asyncio.to_thread(fails, site, *estimate, "--by", "linucb", overrides=settings)
    assert "no recipe" in await asyncio.to_thread(fails, site, *estimate[:2], "--arm", "a:recipe=x", overrides=settings)


async def test_simulated_feedback_is_sent_as_policies_read_it(deploy: Deploy) -> None:
    site = await with_policy_topics(deploy)
    send_to_kafka = ("synthesize", "--feedback", "--events", "200", "--users", "10", "--rate", "max")
    assert "200/200" in await asyncio.to_thread(succeeds, site, *send_to_kafka)
    topics = site.settings.topics
    decided = [record async for record in site.read(topics.interest_decisions)]
    sent_ms = {decode_decision(record.value).decision_id: record.timestamp for record in decided}
    events = [record async for record in site.read(topics.user_events)]
    assert len(events) == 200
    for record in events:
        assert record.timestamp >= sent_ms[orjson.loads(record.value)["decision_id"]]
    assert all(record.key == decode_decision(record.value).user_id.encode() for record in decided)
    assert [record async for record in site.read(topics.item_catalog)]


SHARED = (
    "user_events", "item_catalog",
    "decision_requests", "interest_decisions", "interest_rewards", "interest_experiments",
)  # fmt: skip


async def test_arms_of_two_recipes_are_decided_by_two_deployments_and_compared(deploy: Deploy) -> None:
    usual = await with_policy_topics(deploy)
    topics = usual.settings.topics
    shared = [f"topics.{name}={getattr(topics, name)}" for name in SHARED]
    matching = await with_policy_topics(deploy, *shared, "policy.recipe=matching")
    sites = {"usual": usual, "matching": matching}
    create = (
        "experiments",
        "create",
        "models",
        "--arm",
        "usual",
        "--arm",
        "matching:recipe=matching",
        "--min-users",
        "2",
    )
    assert "policy.recipe=matching" in await asyncio.to_thread(succeeds, usual, *create)
    users = [f"u{number}" for number in range(12)]
    await usual.send(event(user, number, f"i{number % 5}") for number, user in enumerate(users * 2))
    processes: list[Command] = []
    with killed_at_end(processes):
        for recipe, site in sites.items():
            words = [f"--set={override}" for override in site.overrides("a")]
            words += ["--set=policy.kinds=greedy", "--set=feedback.closing_type=click"]
            worker = ["worker", *words] if recipe == "usual" else ["worker", "--recipe", recipe, *words]
            processes.append(Command(worker, site.folder / "worker.log"))
            policy = ["policy", *words, f"--set=policy.data_dir={site.folder / 'policy'}"]
            processes.append(Command(policy, site.folder / "policy.log"))
        predicted = {recipe: await newest_predictions(site, users) for recipe, site in sites.items()}
        made: dict[str, Decision] = {}
        async with asyncio.timeout(DEADLINE_S):
            while len(made) < len(users):
                requests = [DecisionRequest(user, 2, experiment="models") for user in users if user not in made]
                pairs = [(one.user_id.encode(), encode_decision(one)) for one in requests]
                await WebSite.of(usual).send(topics.decision_requests, pairs)
                await asyncio.sleep(0.5)
                for record in [record async for record in usual.read(topics.interest_decisions)]:
                    decided = decode_decision(record.value)
                    if decided.slate:  # a process that had not read the user's prediction yet showed nothing
                        made.setdefault(decided.user_id, decided)
        arms = {user: decided.arm for user, decided in made.items()}
        assert set(arms.values()) == sites.keys()
        for user, decided in made.items():
            prediction = predicted[decided.arm][user]
            assert decided.model_version == prediction.model_version
            (other,) = (of_site[user] for recipe, of_site in predicted.items() if recipe != decided.arm)
            assert decided.interest != tuple(other.item_p[:2])
            assert decided.slate == tuple(prediction.items[:2])
            assert decided.interest == tuple(prediction.item_p[:2])
        clicks = [
            (user.encode(), orjson.dumps({"user_id": user, "event_type": "click", "item_id": decided.slate[0],
                                          "timestamp": decided.time + 1, "decision_id": decided.decision_id}))
            for user, decided in made.items()
        ]  # fmt: skip
        await WebSite.of(usual).send(topics.user_events, clicks)
        async with asyncio.timeout(DEADLINE_S):
            while len(rewards := [decode_reward(r.value) async for r in usual.read(topics.interest_rewards)]) < len(
                users
            ):
                await asyncio.sleep(0.2)
        assert sorted(one.user_id for one in rewards) == sorted(users)
        assert {one.user_id: one.arm for one in rewards} == arms
        for process in processes:
            await process.stop()
    printed = json.loads(await asyncio.to_thread(succeeds, usual, "experiments", "result", "models", "--json"))
    # Those closed by feedback are counted with the others of their time, which is not over yet.
    assert {arm["name"]: arm["exposed"] for arm in printed["arms"]} == Counter(arms.values())
    for recipe, site in sites.items():
        overrides = () if recipe == "usual" else ("policy.recipe=matching",)
        async with WebSite.of(site).serve(*overrides, is_ready=False) as client:
            own = next(user for user, arm in arms.items() if arm == recipe)
            others = next(user for user, arm in arms.items() if arm != recipe)
            async with asyncio.timeout(DEADLINE_S):
                while [await status(client, one) for one in (own, others)] != [200, 409]:
                    await asyncio.sleep(0.1)


async def status(client: httpx.AsyncClient, user: str) -> int:
    """Of a request for a decision in the experiment."""
    question = {"candidates": ["i1"], "experiment": "models"}
    return (await client.post(f"/v1/users/{user}/decisions", json=question)).status_code


async def newest_predictions(site: Deployment, users: list[str]) -> dict[str, Prediction]:
    """Once every user has one of the newest event."""
    topic = site.settings.topics.interest_predictions
    async with asyncio.timeout(DEADLINE_S):
        while True:
            newest = {}
            async for record in site.read(topic):
                prediction = decode(record.value)
                newest[prediction.user_id] = prediction
            if newest.keys() == set(users) and all(one.state_version == 2 for one in newest.values()):
                return newest
            await asyncio.sleep(0.2)


async def test_topics_that_come_later_are_waited_for(deploy: Deploy) -> None:
    site = await deploy()  # without those of policies
    async with WebSite.of(site).serve(is_ready=False) as client, asyncio.timeout(DEADLINE_S):
        assert (await client.get("/v1/experiments")).json() == {"experiments": []}
        await ensure_topics(site.settings, [spec.name for spec in every_topic_spec(site.settings)])
        await asyncio.to_thread(succeeds, site, *CREATE)
        await eventually(client, "/v1/experiments", lambda body: body["experiments"])

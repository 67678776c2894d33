"""Decisions over HTTP, on a real broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

from streams.kafka.reader import read_topic
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.policy.known_policies import new_policy
from streams.policy.outcomes import outcomes_of
from streams.schema.decisions.experiment import Arm, Experiment, encode_experiment
from streams.settings.policy_section import PolicySettings
from tests.integration.web_site import WebSite
from tests.integration.worker import DEADLINE_S
from tests.unit.streams.web.predictions import prediction as user_prediction


async def test_the_http_server_decides_by_the_policies_and_experiments_that_it_follows(
    kafka: LocalKafka, prefix: str, tmp_path: Path
) -> None:
    web = await WebSite.on(kafka.bootstrap_servers, prefix, tmp_path).create()
    topics, chosen = web.settings.topics, PolicySettings(kinds="greedy,softmax")
    await ensure_topics(web.settings, [topics.interest_decisions, topics.policy_states, topics.interest_experiments])
    await web.describe(i1=["One", "Drama"], i2=["Two", "Comedy"])
    numbers = {"numbers": {"price": 5, "stock": 2, "published_at": 1_000}}
    await web.send(topics.item_catalog, [(b"i3", orjson.dumps(numbers))])
    await web.predict(user_prediction("u1", 7), user_prediction("u2", 8))
    async with web.serve("policy.kinds=greedy,softmax") as client:

        async def decide(user: str, **question: Any) -> dict[str, Any]:
            answer = await client.post(f"/v1/users/{user}/decisions", json=question)
            assert answer.status_code == 200, answer.text
            body: dict[str, Any] = answer.json()
            return body

        made = await decide("u1", size=1, request_id="r")
        assert (made["slate"], made["propensities"], made["policy"]) == (["i1"], [1.0], "greedy")
        assert (made["model_version"], made["prediction_id"]) == ("00000001.1", "user-events:0:7")
        (record,) = [record async for record in read_topic(web.settings.kafka, topics.interest_decisions)]
        assert (record.key, orjson.loads(record.value or b"")) == (b"u1", made)
        assert (await decide("u1", categories=["Comedy"]))["slate"] == ["i2"]
        assert (await decide("nobody"))["slate"] == []
        assert (await decide("nobody", candidates=["i8"], exclude=["i1"]))["slate"] == ["i8"]
        assert (await decide("u1", candidates=["i1", "i3"], max_price=5, in_stock=True))["slate"] == ["i3"]
        ruled_out = await decide("u1", candidates=["i1", "i3"], max_age_s=60, min_price=1)
        assert (ruled_out["slate"], ruled_out["empty_because"]) == ([], "ruled_out")
        assert ruled_out["ruled_out"] == {"min_price": 1, "max_age_s": 1}

        softmax = new_policy("softmax", chosen)
        softmax.learn(outcomes_of([], chosen.item_buckets))
        arms = tuple(Arm(name=name, policy=name) for name in chosen.names)
        experiment = Experiment(name="e", created_at=1, arms=arms, control="greedy", salt="s")
        await web.send(topics.policy_states, [(b"softmax", softmax.state())])
        await web.send(topics.interest_experiments, [(b"e", encode_experiment(experiment))])
        by_arm: dict[str, tuple[str, int]] = {}
        async with asyncio.timeout(DEADLINE_S):
            while by_arm != {"greedy": ("greedy", 0), "softmax": ("softmax", 1)}:
                for number in range(8):
                    made = await decide(f"user-{number}", candidates=["i1"], experiment="e")
                    by_arm[made["arm"]] = made["policy"], made["policy_version"]
                by_arm.pop("", None)  # the experiment was not known yet
        for wrong in ({"max_age_s": -1}, {"size": 0}, {"candidates": "i1"}, {"places": 3}):
            assert (await client.post("/v1/users/u1/decisions", json=wrong)).status_code == 422
        assert (await client.post("/v1/users/u1/decisions", content="{}")).status_code in (415, 422)

"""The HTTP server beside a real worker and its trainer."""

from __future__ import annotations

import json

import pytest

from tests.integration.deployment import Deploy, round_robin_event
from tests.integration.faults import write_quality_in_each_step
from tests.integration.web_site import WebSite, eventually, until

MARKUP = "<script>alert(1)</script>"


async def test_a_worker_and_its_trainer_are_shown_and_a_user_is_erased_through_them(deploy: Deploy) -> None:
    site = await deploy()
    site.trainer()
    worker = site.worker(fault=write_quality_in_each_step)
    async with WebSite.of(site).serve() as client:
        sent = [json.loads(value or b"") for _, value in map(round_robin_event, range(300))]
        for begin in range(0, 300, 100):
            answer = await client.post("/v1/events", json=[*sent[begin : begin + 100], {"user_id": "bad"}])
            assert answer.json()["accepted"] == 100, answer.text
            last = begin + 99
            await until(client, f"/v1/users/u{last % 97}/interests", "state_version", last // 97 + 1)
        await site.send([(b"bad", b"no JSON")])
        interests = await until(client, "/v1/users/u5/interests", "state_version", 4)
        assert sum(item["p"] for item in interests["items"]) + interests["other_p"] == pytest.approx(1, abs=1e-6)
        history = (await client.get("/v1/users/u5/history")).json()["points"]
        assert [point["state_version"] for point in history] == [4, 3, 2, 1]
        page = (await client.get("/v1/users/u5/history?limit=2")).json()
        rest = (await client.get(f"/v1/users/u5/history?limit=2&cursor={page['next']}")).json()
        assert (page["points"] + rest["points"])[:3] == history[:3]
        events = (await client.get("/v1/users/u5/events")).json()["events"]
        assert [event["item_id"] for event in events] == [e["item_id"] for e in sent[::-1] if e["user_id"] == "u5"]
        overview = await eventually(client, "/v1/overview", lambda body: body["dead_letters"] and body["workers"])
        assert overview["lag"]["events"] is not None
        assert overview["latency_ms"]["p50"] > 0
        assert overview["workers"][0]["partitions"] == list(range(site.settings.topics.partitions))
        assert overview["model_version"] == overview["workers"][0]["model_version"]
        letters = (await client.get("/v1/dead-letters")).json()
        assert (letters["by_reason"], letters["samples"][0]["value"]) == ({"not_json": 1}, "no JSON")
        quality = await eventually(client, "/v1/quality", lambda body: body["workers"][0]["events"] >= 200)
        assert quality["history"][-1]["scored"] > 0
        assert sum(bin_["count"] for bin_ in quality["calibration"]) > 0
        trending = (await client.get("/v1/trending?limit=3")).json()
        assert trending["users"] == 97
        top = trending["most_wanted"][0]
        item = (await client.get(f"/v1/items/{top['item_id']}")).json()
        assert item["share"] == pytest.approx(top["share"])
        assert 0 < item["users"] <= 97
        models = await eventually(client, "/v1/models", lambda body: body["releases"])
        assert models["current"] == models["releases"][0]["model_version"]
        erased = await client.delete("/v1/users/u5")
        assert (erased.status_code, erased.json()["topic"]) == (202, site.settings.topics.user_events)
        await until(client, "/v1/users/u5/interests", "status", 404)
        assert (await client.get("/v1/users/u5/events")).status_code == 404
        assert (await client.get("/v1/overview")).json()["users"] == 96
    assert worker.exit_code is None

"""The HTTP server on a real Kafka: what it shows, and that it goes on from what it had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.reader import read_topic
from streams.local_kafka.cluster import LocalKafka
from streams.schema.decoder import decode
from tests.integration.web_site import WebSite, eventually, ready, until
from tests.unit.streams.web.predictions import prediction

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
async def web(kafka: LocalKafka, prefix: str, tmp_path: Path) -> AsyncIterator[WebSite]:
    site = WebSite.on(kafka.bootstrap_servers, prefix, tmp_path)
    try:
        yield await site.create()
    finally:
        for process in site.processes:
            process.kill()


async def test_interests_are_shown_with_titles_and_reasons(web: WebSite) -> None:
    await web.describe(i1=["The Savage Promise", "Drama", "Crime"], i2=[MARKUP])
    await web.predict(prediction("shop/u 1?", 7), prediction("other", 8))
    async with web.serve() as client:
        answer = await client.get("/v1/users/shop%2Fu%201%3F/interests")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        body = answer.json()
        assert body.pop("age_s") > 0
        assert body == {
            "user_id": "shop/u 1?",
            "prediction_id": "user-events:0:7",
            "caused_by": "e7",
            "event_time": 1_731_900_007_000,
            "emitted_at": 1_731_900_007_000,
            "model_version": "00000001.1",
            "state_version": 7,
            "items": [
                {"item_id": "i1", "title": "The Savage Promise", "categories": ["Drama", "Crime"], "p": 0.5},
                {"item_id": "i2", "title": MARKUP, "categories": [], "p": 0.25},
            ],
            "other_p": 0.25,
            "categories": [{"category": "Drama", "p": 0.5}],
            "because": [{"item_id": "i1", "title": "The Savage Promise", "weight": 0.5}],
            "because_other": 0.25,
            "carried_by": {"attention": 0.25, "copying": 0.25, "following": 0.25, "popularity": 0.25},
            "horizons": [],
            "return_p": {},
        }
        first = (await client.get("/v1/users/shop%2Fu%201%3F/interests?limit=1")).json()
        assert (len(first["items"]), first["other_p"]) == (1, 0.5)
        again = await client.get(
            "/v1/users/shop%2Fu%201%3F/interests", headers={"If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        missing = await client.get("/v1/users/nobody/interests")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"
        assert missing.json()["title"] == "Not Found"
        page = (await client.get("/v1/users?limit=1")).json()
        rest = (await client.get(f"/v1/users?limit=1&cursor={page['next']}")).json()
        assert [user["user_id"] for user in (*page["users"], *rest["users"])] == ["other", "shop/u 1?"]
        assert rest["next"] is None
        overview = (await client.get("/v1/overview")).json()
        assert (overview["users"], overview["items"], overview["ready"]) == (2, 2, True)


async def test_a_killed_server_goes_on_from_what_it_had(web: WebSite) -> None:
    await web.predict(*(prediction(f"u{number}", number) for number in range(50)))
    for turn in (1, 2):
        process = web.process()
        async with httpx.AsyncClient(base_url=await process.url()) as client:
            await ready(client)
            await web.predict(prediction("u7", 100 + turn))
            await until(client, "/v1/users/u7/interests", "state_version", 100 + turn)
            history = (await client.get("/v1/users/u7/history")).json()["points"]
            assert [point["state_version"] for point in history] == [102, 101, 7][-turn - 1 :]
            assert (await client.get("/v1/overview")).json()["users"] == 50
        if turn == 1:
            process.kill()
        else:
            assert await process.stop() == 0, process.text()


async def test_an_erased_user_is_gone_and_a_topic_that_was_created_again_is_read_anew(web: WebSite) -> None:
    topic = web.settings.topics.interest_predictions
    await web.predict(prediction("u1", 1), prediction("u2", 2), prediction("u2", 3))
    async with web.serve() as client:
        await web.erase("u2")
        await until(client, "/v1/users/u2/interests", "status", 404)
        assert (await client.get("/v1/users/u2/history")).status_code == 404
        assert (await client.get("/v1/overview")).json()["users"] == 1
        assert (await client.get("/v1/items/i1")).json()["users"] == 1
        admin = AIOKafkaAdminClient(bootstrap_servers=web.settings.kafka.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_topics([topic])
        finally:
            await admin.close()
        await asyncio.sleep(0.5)
        await web.create()
        await web.predict(prediction("u3", 1))
        await until(client, "/v1/users/u3/interests", "state_version", 1)
        await until(client, "/v1/users/u1/interests", "status", 404)
        await until(client, "/v1/overview", "users", 1)


async def test_a_damaged_view_and_one_of_other_topics_are_made_anew(web: WebSite) -> None:
    await web.predict(prediction("u1", 1))
    folder = web.settings.web.data_dir / "view"
    async with web.serve():
        pass
    (folder / "CURRENT").unlink()
    async with web.serve() as client:
        assert (await client.get("/v1/users/u1/interests")).status_code == 200
    async with web.serve(), web.serve(f"web.data_dir={web.folder / 'second'}") as client:  # side by side
        assert (await client.get("/v1/users/u1/interests")).status_code == 200
    async with web.serve(f"kafka.group_id={web.settings.kafka.group_id}-other") as client:
        assert (await client.get("/v1/users/u1/interests")).status_code == 200
    assert len(list(folder.parent.glob("view.aside-*"))) == 1


EVENT = {"user_id": "u1", "event_type": "click", "item_id": "i1", "timestamp": 1_731_900_000_123, "event_id": "e1"}


async def test_events_are_acknowledged_with_their_positions_or_refused_with_the_reason(web: WebSite) -> None:
    segment = {"type": "track", "event": "Product Viewed", "userId": "u2", "messageId": "m1",
               "timestamp": "2024-11-18T03:20:00.123Z", "properties": {"product_id": "p1"}}  # fmt: skip
    topic = web.settings.topics.user_events
    async with web.serve() as client:
        answer = await client.post("/v1/events", json=[EVENT, {"user_id": "u1"}, segment, EVENT | {"event_id": ""}])
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert (body["accepted"], body["rejected"], body["left_out"]) == (3, 1, 0)
        assert [result["status"] for result in body["results"]] == ["accepted", "rejected", "accepted", "accepted"]
        assert body["results"][1]["reason"] == "missing_field"
        records = {(r.partition, r.offset): r async for r in read_topic(web.settings.kafka, topic)}
        written = [records[r["partition"], r["offset"]] for r in body["results"] if r["status"] == "accepted"]
        assert [record.key for record in written] == [b"u1", b"u2", b"u1"]
        events = [decode(record)[0][0] for record in written]
        assert [getattr(event, "item_id", None) for event in events] == ["i1", "p1", "i1"]
        ids = [getattr(event, "event_id", "") for event in events]
        assert ids[:2] == ["e1", "m1"]
        assert ids[2].startswith("http-")
        one = await client.post("/v1/events", json=EVENT)
        assert (one.status_code, one.json()["accepted"]) == (202, 1)
        for content, status in ((b"[", 400), (b"[]", 400), (b'{"user_id": "u1"}', 400), (b"[" * 100_000, 400)):
            refused = await client.post("/v1/events", content=content, headers={"Content-Type": "application/json"})
            assert refused.status_code == status, refused.text
            assert refused.headers["content-type"] == "application/problem+json"
        plain = await client.post("/v1/events", content=b"{}", headers={"Content-Type": "text/plain"})
        assert plain.status_code == 415
        large = await client.post("/v1/events", json=EVENT | {"text": "x" * web.settings.web.max_body_bytes})
        assert large.status_code == 413
        # What was sent is followed, and shown as the user's newest events.
        body = await eventually(client, "/v1/users/u1/events", lambda body: len(body.get("events", ())) == 3)
        assert [event["item_id"] for event in body["events"]] == ["i1", "i1", "i1"]


async def test_each_token_has_its_role_and_none_lets_nobody_in(web: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = {role: f"{role}-0123456789abcdef" for role in ("read", "write", "erase")}
    for role, token in tokens.items():
        monkeypatch.setenv(f"INTEREST_WEB__{role.upper()}_TOKEN", token)
    await web.predict(prediction("u1", 1))
    erase_event = {"event_type": "user.delete", "user_id": "u9", "timestamp": 1_731_900_000_123}
    async with web.serve("web.host=0.0.0.0") as client:
        client.base_url = str(client.base_url).replace("0.0.0.0", "127.0.0.1")
        expected: dict[str | None, tuple[int, int, int, list[str] | None]] = {
            None: (401, 401, 401, []),
            "unknown-0123456789": (401, 401, 401, None),
            tokens["read"]: (200, 403, 403, ["read"]),
            tokens["write"]: (200, 202, 403, ["read", "write"]),
            tokens["erase"]: (200, 403, 202, ["read", "erase"]),
        }
        for sent_token, (read, write, erase, roles) in expected.items():
            headers = {} if sent_token is None else {"Authorization": f"Bearer {sent_token}"}
            answers = [
                await client.get("/v1/users/u1/interests", headers=headers),
                await client.post("/v1/events", json=EVENT, headers=headers),
                await client.delete("/v1/users/nobody", headers=headers),
            ]
            assert [answer.status_code for answer in answers] == [read, write, erase], sent_token
            assert (await client.get("/metrics", headers=headers)).status_code == read
            session = await client.get("/v1/session", headers=headers)
            assert session.json().get("roles") == roles
            assert (await client.get("/", headers=headers)).status_code == 200
        # An erasure that is sent as an event needs the same token.
        sent = await client.post("/v1/events", json=erase_event, headers={"Authorization": f"Bearer {tokens['write']}"})
        assert (sent.status_code, sent.json()["results"][0]["reason"]) == (400, "forbidden")


async def test_a_stream_has_the_newest_prediction_and_those_that_come(web: WebSite) -> None:
    await web.predict(prediction("u1", 1))
    async with web.serve("web.max_streams=1") as client:
        async with client.stream("GET", "/v1/stream?user=u1") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            first = await next_data(lines)
            assert first["state_version"] == 1
            refused = await client.get("/v1/stream")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
            await web.predict(prediction("u2", 2), prediction("u1", 3, {MARKUP: 0.5}))
            second = await next_data(lines)
            assert second["state_version"] == 3
            assert second["items"] == [{"item_id": MARKUP, "title": None, "categories": [], "p": 0.5}]
        while "interest_web_streams 0.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.02)
        async with client.stream("GET", "/v1/stream") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await web.predict(prediction("u3", 4))
            assert (await next_data(lines))["user_id"] == "u3"
        metrics = (await client.get("/metrics")).text
        assert 'interest_web_requests_total{method="GET",route="/v1/stream",status="503"} 1.0' in metrics
        assert "interest_web_users 3.0" in metrics


async def next_data(lines: AsyncIterator[str]) -> dict[str, Any]:
    """The data of the next event."""
    async for line in lines:
        if line.startswith("data: "):
            data: dict[str, Any] = json.loads(line.removeprefix("data: "))
            return data
    raise AssertionError("the stream has ended")


async def test_limits_answer_with_what_to_do(web: WebSite) -> None:
    async with web.serve("web.requests_per_s=0.001") as client:
        answers = [await client.get("/v1/session") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 429, 429]
        assert 900 <= int(answers[1].headers["retry-after"]) <= 1001
        assert "web.requests_per_s" in answers[1].json()["detail"]
        assert (await client.get("/health/live")).status_code == 200
        foreign = await client.get("/health/live", headers={"Host": "evil.example"})
        assert foreign.status_code == 421
    async with web.serve("web.allowed_origins=https://shop.example") as client:
        for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://evil.example", None)):
            answer = await client.get("/v1/session", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
    async with web.serve() as client:
        answer = await client.get("/v1/session", headers={"Origin": "https://shop.example"})
        assert "access-control-allow-origin" not in answer.headers

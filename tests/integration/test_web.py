"""The HTTP server on a real Kafka: what it shows, and that it goes on from what it had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.local_kafka.cluster import LocalKafka
from tests.integration.web_site import WebSite, ready, until
from tests.unit.streams.web.predictions import prediction

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
async def web(kafka: LocalKafka, prefix: str, tmp_path: Path) -> AsyncIterator[WebSite]:
    site = WebSite(kafka.bootstrap_servers, prefix, tmp_path)
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
    async with web.serve(f"kafka.group_id={web.settings.kafka.group_id}-other") as client:
        assert (await client.get("/v1/users/u1/interests")).status_code == 200
    assert len(list(folder.parent.glob("view.aside-*"))) == 1

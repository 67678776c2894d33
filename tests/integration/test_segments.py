"""Segments on a real Kafka: counted from predictions and warnings, listed, exported, published."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.kafka.reader import read_topic
from streams.local_kafka.cluster import LocalKafka
from streams.schema.churn import SWEEP_KEY, ChurnWarning, Level, SweepPosition
from streams.schema.predictions import Horizon
from streams.schema.segments import SegmentSize
from tests.integration.web_site import WebSite
from tests.integration.worker import DEADLINE_S
from tests.topics import TOPIC_SETTINGS, create_topics
from tests.unit.streams.web.predictions import prediction


@pytest.fixture
async def web(kafka: LocalKafka, prefix: str, tmp_path: Path) -> AsyncIterator[WebSite]:
    settings = [f"kafka.bootstrap_servers={kafka.bootstrap_servers}", f"kafka.group_id={prefix}", "topics.partitions=2"]
    topics = [f"topics.{name}={prefix}-{name}" for name in TOPIC_SETTINGS]
    site = WebSite(tmp_path, [*settings, *topics, "model.horizons=true", "churn.enabled=true"])
    try:
        yield await site.create()
    finally:
        for process in site.processes:
            process.kill()


def warning(user: str, level: Level) -> tuple[bytes, bytes]:
    made = ChurnWarning(user, level, 7, 5, 0.75, "silence", 9.0, 3.0, 1.0, [], [], [], [], "00000001.1", 3)
    return user.encode(), msgspec.json.encode(made)


def wants(category: str) -> list[Horizon]:
    return [Horizon(30, [category], [0.5], [], [])]


async def test_segments_are_counted_listed_exported_and_published(web: WebSite) -> None:
    churn = web.settings.topics.interest_churn
    await web.predict(*(prediction(f"u{number}", number, horizons=wants("Sci-Fi")) for number in range(4)))
    await web.predict(prediction("u4", 4, horizons=wants("Drama")), prediction("u5", 5, categories={}))
    await web.send(churn, [warning("u1", "at_risk"), warning("u2", "at_risk"), warning("u2", "none")])
    await web.send(churn, [warning("u4", "lost"), (SWEEP_KEY, SweepPosition(1, "", is_done=True).encode())])
    async with web.serve("web.publish_segments_s=0.2") as client:
        answer = await client.get("/v1/segments")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["users"] == 6
        assert [(segment["category"], segment["risk"], segment["users"]) for segment in body["segments"]] == [
            ("Sci-Fi", "none", 3),
            (None, "none", 1),
            ("Drama", "lost", 1),
            ("Sci-Fi", "at_risk", 1),
        ]
        again = await client.get("/v1/segments", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        page = (await client.get("/v1/segments/users?category=Sci-Fi&limit=2")).json()
        assert [user["user_id"] for user in page["users"]] == ["u0", "u1"]
        assert page["users"][1]["risk"] == "at_risk"
        rest = (await client.get("/v1/segments/users", params={"category": "Sci-Fi", "cursor": page["next"]})).json()
        assert [user["user_id"] for user in rest["users"]] == ["u2", "u3"]
        assert rest["next"] is None
        unknown = (await client.get("/v1/segments/users", params={"category": " "})).json()
        assert [user["user_id"] for user in unknown["users"]] == ["u5"]
        lines = list(csv.DictReader(io.StringIO((await client.get("/v1/segments/users.csv?risk=lost")).text)))
        assert [(line["user_id"], line["category"], line["no_event_p"]) for line in lines] == [("u4", "Drama", "0.75")]
        history = (await client.get("/v1/segments/history?by=risk")).json()
        assert [series["name"] for series in history["series"]] == ["none", "at_risk", "lost"]
        await _check_commands(web, str(client.base_url))
        await web.predict(prediction("u4", 6, horizons=wants("Comedy")))
        async with asyncio.timeout(DEADLINE_S):
            while (sizes := await _published(web)).get("lost/Comedy") != 1:
                await asyncio.sleep(0.05)
        assert sizes == {"none/Sci-Fi": 3, "none": 1, "at_risk/Sci-Fi": 1, "lost/Comedy": 1, "lost/Drama": 0}


async def _published(web: WebSite) -> dict[str, int]:
    """The newest size by key."""
    sizes = {}
    async for record in read_topic(web.settings.kafka, web.settings.topics.interest_segments):
        sizes[(record.key or b"").decode()] = msgspec.json.decode(record.value or b"", type=SegmentSize).users
    return sizes


async def _check_commands(web: WebSite, url: str) -> None:
    """`segments list` and `export`, in a thread: the server answers in this one."""
    overrides = [part for override in web.overrides() for part in ("--set", override)]
    topic, file = f"{web.settings.kafka.group_id}-campaign", web.folder / "campaign.csv"
    await create_topics(web.settings.kafka.bootstrap_servers, {topic: 1})

    def command(*words: str) -> str:
        result = CliRunner().invoke(app, [*overrides, "segments", *words, "--url", url])
        assert result.exit_code == 0, result.output
        return result.output

    listed = await asyncio.to_thread(command, "list")
    assert "Sci-Fi" in listed
    assert "at_risk" in listed
    await asyncio.to_thread(command, "export", "--risk", "none", "--out", str(file))
    with file.open(newline="") as text:
        assert [line["user_id"] for line in csv.DictReader(text)] == ["u0", "u2", "u3", "u5"]
    await asyncio.to_thread(command, "export", "--category", "Sci-Fi", "--topic", topic)
    records = [record async for record in read_topic(web.settings.kafka, topic)]
    assert [record.key for record in records] == [b"u0", b"u1", b"u2", b"u3"]
    assert msgspec.json.decode(records[1].value or b"")["risk"] == "at_risk"

"""A broker that creates each topic that a client names: nothing of ours creates one by reading it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from streams.kafka.client.metadata import describe_topics
from streams.kafka.topic_specs import every_topic_spec, topic_specs
from streams.local_kafka.cluster import LocalKafka
from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.worker import killed_at_end

COMMANDS: Mapping[str, list[tuple[str, ...]]] = {
    "user_events": [
        ("replay", "LOG"),
        ("synthesize", "--events=10", "--rate=max"),
        ("reset", "--to=earliest", "--yes"),
    ],
    "interest_predictions": [("tail",), ("tail", "--user=u1", "--from-start", "--json")],
    "user_events_dlq": [("dlq", "list"), ("dlq", "show", "0:0"), ("dlq", "replay")],
    "item_index": [("train", "--registered", "LOG")],
    "item_catalog": [("tail",), ("replay", "LOG", "--items=ITEMS")],
    "interest_quality": [("tail", "--stats")],
    "changelog": [("show", "u1"), ("reset", "--to=latest", "--yes")],
}
"""By the topic that is missing"""


@pytest.fixture(scope="module")
def auto_creating() -> Iterator[LocalKafka]:
    with LocalKafka(settings={"auto.create.topics.enable": "true"}) as kafka:
        yield kafka


@pytest.fixture
def site(auto_creating: LocalKafka, prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    (tmp_path / "log.csv").write_text("user,item,time\nu1,i1,1700000000\n")
    (tmp_path / "items.csv").write_text("id,title\ni1,Title\n")
    site = Deployment(auto_creating.bootstrap_servers, prefix, tmp_path)
    with killed_at_end(site.workers):
        yield site


async def topics(site: Deployment) -> set[str]:
    """Those of the deployment that exist."""
    async with site.admin() as admin:
        return {topic for topic in await admin.list_topics() if topic.startswith(site.settings.kafka.group_id)}


async def delete(site: Deployment, topic: str) -> None:
    async with site.admin() as admin:
        await admin.delete_topics([topic])
    while topic in await topics(site):
        await asyncio.sleep(0.02)


def answer(site: Deployment, command: tuple[str, ...]) -> str:
    """The line with which it ends."""
    files = {"LOG": str(site.folder / "log.csv"), "--items=ITEMS": f"--items={site.folder / 'items.csv'}"}
    return fails(site, *(files.get(word, word) for word in command))


def test_no_command_creates_a_topic(site: Deployment) -> None:
    """Each says which is missing, and how it is created: where none exists, and where all others do."""
    succeeds(site, "config")
    for command in {command for commands in COMMANDS.values() for command in commands}:
        assert "does not exist" in answer(site, command), command
    assert asyncio.run(topics(site)) == set()

    every = {spec.name for spec in every_topic_spec(site.settings)}
    for setting, commands in COMMANDS.items():
        succeeds(site, "topics")
        topic = site.settings.changelog_topic if setting == "changelog" else getattr(site.settings.topics, setting)
        asyncio.run(delete(site, topic))
        for command in commands:
            line = answer(site, command)
            assert topic in line, command
            assert "does not exist" in line, command
            assert command[0] == "reset" or "`interest-stream topics` creates" in line, command
        assert asyncio.run(topics(site)) == every - {topic}


async def test_a_worker_creates_topics_with_their_partitions_and_none_that_is_deleted_under_it(
    site: Deployment,
) -> None:
    worker = site.worker()
    await worker.owns()
    specs = {spec.name: spec.partitions for spec in topic_specs(site.settings)}
    described = await describe_topics(site.settings.kafka, specs)
    assert {name: topic.partitions for name, topic in described.items()} == specs
    await site.send(round_robin_event(n) for n in range(30))
    await site.applied()
    source = site.settings.topics.user_events
    await delete(site, source)
    await worker.wait_for(f"{source} does not exist any more")
    await worker.wait_for(f"Topic {source} not found in cluster metadata")  # by the consumer, when it asks again
    assert await topics(site) == specs.keys() - {source}

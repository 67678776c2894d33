"""Errors that nobody can handle: the worker says what is wrong, ends with 70 and leaves nothing of the step behind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError
from aiokafka.structs import TopicPartition

from streams.kafka.reader import reading
from streams.kafka.topic_specs import topic_specs
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.engines import Raising
from tests.integration.worker import DEADLINE_S, Worker

EX_SOFTWARE = 70


async def _fails(worker: Worker, *messages: str) -> None:
    assert await worker.ended() == EX_SOFTWARE
    last = worker.text().rpartition("CRITICAL")[2]
    for message in messages:
        assert message in last, worker.text()


async def _applied(site: Deployment, events: int) -> None:
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(events))
    await site.finish(worker)


async def test_broken_engine(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker(engine=Raising)
    await site.send(round_robin_event(n) for n in range(100))
    await _fails(worker, "stopping: ZeroDivisionError('the engine broke')", "in step")
    for topic in (site.settings.changelog_topic, site.settings.topics.interest_predictions):
        assert [record async for record in site.read(topic)] == []
    assert await site.progress() == {}

    worker = site.worker()
    await site.finish(worker)
    await site.check(stopped=["a"])


async def test_data_folder_of_another_worker(deploy: Deploy) -> None:
    site = await deploy()
    holder = site.worker()
    await holder.owns()
    await _fails(site.worker(), f"in use by process {holder.pid}", "worker.data_dir")
    await site.send(round_robin_event(n) for n in range(100))
    await site.finish(holder)
    await site.check(stopped=["a"])


@pytest.mark.slow
async def test_recreated_changelog(deploy: Deploy) -> None:
    site = await deploy()
    await _applied(site, 300)
    await _recreate_changelog(site)
    await _fails(site.worker(), "truncated or recreated", "delete the worker's data folder")

    # Meant, then: the rows are built anew from the input, though the group's offsets lie behind it.
    shutil.rmtree(site.data_dir())
    worker = site.worker()
    await worker.owns()
    await _poll_rows(site)
    await worker.stop()


async def _recreate_changelog(site: Deployment) -> None:
    async with site.admin() as admin:
        await admin.delete_topics([site.settings.changelog_topic])
    await site.create()


async def _poll_rows(site: Deployment) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not (await site.compare()).exact:
            await asyncio.sleep(0.1)


async def test_changelog_recreated_and_longer_than_before(deploy: Deploy) -> None:
    site = await deploy()
    await _applied(site, 300)
    await _recreate_changelog(site)
    other = site.worker("b")
    await other.owns()
    await site.send(round_robin_event(n) for n in range(300, 600))
    await _poll_rows(site)
    await other.stop()
    await _fails(site.worker("a"), "not the changelog", "delete the worker's data folder")


@pytest.mark.parametrize("left", [50, 1, 0])
async def test_truncated_changelog(deploy: Deploy, left: int) -> None:
    """One record left is the marker of the last commit: what remains begins where the local rows end."""
    site = await deploy("topics.partitions=1")
    await _applied(site, 300)
    tp = TopicPartition(site.settings.changelog_topic, 0)
    async with reading(site.settings.kafka, [tp.topic], from_start=False) as consumer:
        end = await consumer.position(tp) - left
    async with site.admin() as admin:
        # Kafka truncates no compacted topic, and the partition's leader learns of its policy after the answer.
        await _configure_changelog(admin, site, {"cleanup.policy": "delete"})
        async with asyncio.timeout(DEADLINE_S):
            while not await _truncated(admin, tp, end):
                await asyncio.sleep(0.1)
        await _configure_changelog(admin, site, {})
    await _fails(site.worker(), "truncated or recreated", "delete the worker's data folder")


async def _truncated(admin: Any, tp: TopicPartition, end: int) -> bool:
    try:
        await admin.delete_records({tp: RecordsToDelete(end)})
    except PolicyViolationError:
        return False
    return True


async def _configure_changelog(admin: Any, site: Deployment, other: Mapping[str, str]) -> None:
    topic = site.settings.changelog_topic
    (spec,) = [spec for spec in topic_specs(site.settings) if spec.name == topic]
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {**spec.configs, **other})])


async def test_other_partition_count(deploy: Deploy) -> None:
    site = await deploy()
    await _fails(site.worker(overrides=["topics.partitions=4"]), "has 3 partitions, must have 4")

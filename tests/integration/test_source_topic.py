"""An input topic that changes under the worker, and the reset of its group, on a real broker."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.errors import GroupActiveError
from streams.kafka.client.metadata import topic_metadata
from streams.kafka.fenced_producer import EmptyGroup
from streams.kafka.reader import partition_count
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.reference_fold import fold_changelog
from streams.settings.settings import Settings
from streams.worker.partitions import offset_reset
from streams.worker.partitions.offset_reset import PartitionReset, ResetTarget, reset_offsets
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.engines import Sleeping
from tests.integration.worker import Worker

EX_SOFTWARE = 70


async def ends_with(worker: Worker, *messages: str) -> None:
    assert await worker.ended() == EX_SOFTWARE
    last = worker.text().rpartition("CRITICAL")[2]
    for message in messages:
        assert message in last, worker.text()


async def applied(site: Deployment, begin: int, end: int) -> Worker:
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(begin, end))
    await worker.owns()
    await site.applied()
    return worker


async def applied_events(site: Deployment) -> int:
    """How many events the rows have counted, after they were found exact; predictions of before a reset stay."""
    comparison = await site.compare()
    assert comparison.exact, str(comparison)
    rows = await fold_changelog(site.settings.kafka, site.settings.changelog_topic)
    return sum(row.count for row in rows.values())


async def recreate_input(site: Deployment) -> None:
    topic = site.settings.topics.user_events
    async with site.admin() as admin:
        await admin.delete_topics([topic])
    async with topic_metadata(site.settings.kafka) as client:
        while await client.describe([topic]):
            await asyncio.sleep(0.05)
    await site.create()
    site._next_offset.clear()


async def reset(site: Deployment, target: ResetTarget, keep_rows: bool = False) -> list[PartitionReset]:
    """Resets the group once the session of a worker that has ended is over."""
    while True:
        try:
            return await reset_offsets(site.settings, target, keep_rows)
        except GroupActiveError:
            await asyncio.sleep(0.5)


async def test_metadata_has_ids_and_creates_nothing(deploy: Deploy) -> None:
    site = await deploy()
    names = site.settings.topics
    async with topic_metadata(site.settings.kafka) as client:
        before = await client.describe([names.user_events, names.item_index, "no-such-topic"])
        assert {name: topic.partitions for name, topic in before.items()} == {names.user_events: 3, names.item_index: 1}
        await recreate_input(site)
        after = await client.describe([names.user_events, names.item_index])
    assert len({topic.topic_id for topic in [*before.values(), after[names.user_events]]}) == 3
    assert before[names.item_index] == after[names.item_index]


@pytest.mark.slow
async def test_a_recreated_input_topic_is_refused_until_the_group_is_reset(deploy: Deploy) -> None:
    site = await deploy()
    await (await applied(site, 0, 300)).stop()
    await recreate_input(site)
    await site.send(round_robin_event(n) for n in range(1000, 2000))  # longer than the old one
    await ends_with(site.worker("another-machine"), "was deleted and created again", "interest-stream reset")

    resets = await reset(site, "earliest")
    assert sum(part.rows for part in resets) == 97
    assert [part.after for part in resets] == [0, 0, 0]
    await site.finish(site.worker())
    assert await applied_events(site) == 1000


async def test_rows_are_kept_where_the_topic_was_meant_to_be_created_again(deploy: Deploy) -> None:
    site = await deploy()
    await (await applied(site, 0, 300)).stop()
    await recreate_input(site)
    await reset(site, "earliest", keep_rows=True)
    await site.send(round_robin_event(n) for n in range(300, 400))
    await site.finish(site.worker())
    rows = await fold_changelog(site.settings.kafka, site.settings.changelog_topic)
    assert sum(row.count for row in rows.values()) == 400


async def test_a_reset_to_a_time_or_the_end_skips_what_is_before(deploy: Deploy) -> None:
    site = await deploy()
    worker = await applied(site, 0, 100)
    with pytest.raises(GroupActiveError, match="has 1 members"):
        await reset_offsets(site.settings, "latest")
    await worker.stop()
    await asyncio.sleep(0.05)
    between_ms = int(time.time() * 1000)
    await asyncio.sleep(0.05)
    await site.send(round_robin_event(n) for n in range(100, 150))

    to_time = await reset(site, between_ms)
    assert sum(part.after for part in to_time) == 100
    to_end = await reset_offsets(site.settings, "latest")
    assert sum(part.after for part in to_end) == 150
    assert sum(part.rows for part in to_end) == 0
    assert sum((await site.progress()).values()) == 150
    back = await reset_offsets(site.settings, "earliest")
    assert sum(part.before or 0 for part in back) == 150
    await site.finish(site.worker())
    assert await applied_events(site) == 150


@pytest.mark.parametrize("moment", ["before the group is looked at", "before the commit"])
async def test_a_worker_that_joins_during_a_reset_ends_it(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    """It is a member when the group is looked at for the second time, or finds the transaction open and ends it."""
    site = await deploy()
    await (await applied(site, 0, 30)).stop()
    before = await site.progress()
    refuse_members, calls = offset_reset._refuse_members, 0

    async def join(settings: Settings) -> None:
        nonlocal calls
        calls += 1
        joins = calls == 2
        if joins and moment == "before the group is looked at":
            await site.worker("b").owns()
        await refuse_members(settings)
        if joins and moment == "before the commit":
            await site.worker("b").owns()

    monkeypatch.setattr(offset_reset, "_refuse_members", join)
    with pytest.raises(GroupActiveError, match="has 1 members"), caplog.at_level("CRITICAL", "aiokafka"):
        await reset_offsets(site.settings, "earliest")
    worker = site.workers[-1]
    await worker.owns()
    assert await site.progress() == before
    await site.send(round_robin_event(n) for n in range(30, 60))
    await site.finish(worker)
    assert await applied_events(site) == 60


async def test_records_that_expired_unread_are_a_warning(deploy: Deploy) -> None:
    site = await deploy()
    await (await applied(site, 0, 300)).stop()
    next_offset = (await site.progress())[tp := TopicPartition(site.settings.topics.user_events, 1)]
    await site.send(round_robin_event(n) for n in range(300, 600))
    async with site.admin() as admin:
        await admin.delete_records({tp: RecordsToDelete(before_offset=next_offset + 20)})
    worker = site.worker()
    await site.finish(worker)
    assert worker.text().count("expired before they were read") == 1
    assert f"partition 1: 20 records (offsets {next_offset} to {next_offset + 19})" in worker.text()


async def test_added_partitions_end_a_running_worker(deploy: Deploy) -> None:
    site = await deploy()
    worker = await applied(site, 0, 30)
    topic = site.settings.topics.user_events
    async with site.admin() as admin:
        await admin.create_partitions({topic: NewPartitions(total_count=4)})
    await ends_with(worker, f"{topic} has 4 partitions, must have 3: if 4 is right, --set topics.partitions=4")


async def test_offsets_that_an_operator_has_set_are_named_and_not_used(deploy: Deploy) -> None:
    site = await deploy()
    await (await applied(site, 0, 300)).stop()
    tp = TopicPartition(site.settings.topics.user_events, 2)
    writer = TransactionWriter(site.settings.kafka)
    await writer.start()
    letters = TopicPartition(site.settings.topics.user_events_dlq, 0)
    record = [ProducerRecord(b"k", b"v")]
    await writer.write({letters: record}, {tp: 1}, EmptyGroup(site.settings.kafka.group_id))
    await writer.stop()
    worker = site.worker()
    await worker.owns()
    assert "the group's offset of partition 2 was set to 1: it is not used" in worker.text()
    await site.send(round_robin_event(n) for n in range(300, 400))
    await site.finish(worker)
    assert (await site.compare()).exact


async def test_a_step_that_never_returns_gives_its_partitions_to_another(deploy: Deploy) -> None:
    site = await deploy("worker.step_timeout_s=1")
    sleeper = site.worker("sleeper", engine=Sleeping)
    await site.send(round_robin_event(n) for n in range(100))
    await ends_with(sleeper, "a step has not returned from 'model' within 1 s (worker.step_timeout_s)")
    assert "in step" in sleeper.text()  # the stack that does not return
    await site.finish(site.worker(overrides=["worker.step_timeout_s=300"]))
    await site.check(stopped=["a"])


async def test_reading_commands_create_no_topic(deploy: Deploy) -> None:
    site = await deploy()
    missing = f"{site.settings.kafka.group_id}-missing"

    async def topics() -> Any:
        async with site.admin() as admin:
            return await admin.list_topics()

    with pytest.raises(Exception, match="does not exist"):
        await partition_count(site.settings.kafka, missing)
    await asyncio.sleep(0.5)
    assert missing not in await topics()

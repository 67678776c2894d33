"""Producers of librdkafka and of Kafka's own partitioner beside each other, on a real broker."""

from __future__ import annotations

import asyncio
import json

import orjson
from confluent_kafka import Producer

from streams.kafka.reader import crc32_partition_of, partition_of
from streams.reference_fold import fold_changelog
from tests.inputs import Input, event
from tests.integration.commands import succeeds
from tests.integration.deployment import Deploy, Deployment

_PARTITIONS = 3
_USERS = [f"u{n}" for n in range(12)]


def send_by_librdkafka(site: Deployment, records: list[Input]) -> None:
    """Into the partitions that its default partitioner chooses."""
    producer = Producer({"bootstrap.servers": site.servers})
    for key, value in records:
        producer.produce(site.settings.topics.user_events, value, key)
    assert producer.flush(60) == 0


async def test_users_of_two_partitioners_are_named_shown_tailed_and_erased(deploy: Deploy) -> None:
    site = await deploy()
    topic = site.settings.topics.user_events
    await asyncio.to_thread(send_by_librdkafka, site, [event(user, 0) for user in _USERS])
    async with site.producer() as producer:  # which chooses as Kafka's Java clients do
        for user in _USERS:
            key, value = event(user, 1)
            await producer.send_and_wait(topic, value, key=key)
    await site.sent_by_others()
    worker = site.worker()
    await worker.owns()
    await site.applied()
    for partition in range(_PARTITIONS):
        await worker.wait_for(f"{topic} partition {partition} gets users of two partitioners")
    assert worker.text().count("Set partitioner=murmur2_random in producers of librdkafka") == _PARTITIONS

    user = next(u for u in _USERS if partition_of(u.encode(), 3) != crc32_partition_of(u.encode(), 3))
    partitions = {partition_of(user.encode(), 3), crc32_partition_of(user.encode(), 3)}
    shown = await asyncio.to_thread(succeeds, site, "show", user)
    assert "rows in 2 partitions" in shown
    assert "partitioner=murmur2_random" in shown
    assert all(f"partition {partition}, offset" in shown for partition in partitions)
    assert shown.count("Latest prediction") == 2
    tailed = await asyncio.to_thread(succeeds, site, "tail", "--user", user, "--from-start", "--limit=2", "--json")
    assert {json.loads(line)["source"]["partition"] for line in tailed.splitlines()} == partitions

    deletion: Input = (user.encode(), orjson.dumps({"event_type": "user.delete", "user_id": user}))
    await asyncio.to_thread(send_by_librdkafka, site, [deletion])
    await site.sent_by_others()
    await site.applied()
    others = set(_USERS) - {user}
    newest = dict.fromkeys(partitions, b"not read yet")
    while await users_with_rows(site) != others or any(newest.values()):
        assert worker.exit_code is None, worker.text()
        async for record in site.read(site.settings.topics.interest_predictions):
            if record.key == user.encode():
                newest[record.partition] = record.value
    assert set(newest) == partitions
    await worker.stop()


async def users_with_rows(site: Deployment) -> set[str]:
    """The users, whether they have rows in one partition or in two."""
    return {key.partition(" ")[0] for key in await fold_changelog(site.settings.kafka, site.settings.changelog_topic)}

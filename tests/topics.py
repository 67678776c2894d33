"""Topics of a test: created, and known to the broker before they are used."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from streams.settings.sections import TopicSettings

TOPIC_SETTINGS = tuple(name for name, value in asdict(TopicSettings()).items() if isinstance(value, str))
"""Those that name topics."""


async def create_topics(
    bootstrap_servers: str,
    partitions: Mapping[str, int],
    *,
    replication: int = 1,
    config: Mapping[str, str] | None = None,
) -> None:
    """Topics with so many partitions each, of which every one has a leader.

    The controller answers before the brokers know the topic: one that is busy names it to clients some time later.
    """
    new: Any = NewTopic  # aiokafka is untyped
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        topics = [new(name, count, replication, topic_configs=dict(config or {})) for name, count in partitions.items()]
        response: Any = await admin.create_topics(topics)
        assert all(error[1] == 0 for error in response.topic_errors), response
        async with asyncio.timeout(60):
            while not _led(await admin.describe_topics(list(partitions)), partitions):
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


def _led(topics: list[dict[str, Any]], partitions: Mapping[str, int]) -> bool:
    leaders = {topic["topic"]: [p["leader"] for p in topic["partitions"] if p["leader"] >= 0] for topic in topics}
    return all(len(leaders.get(name, [])) == count for name, count in partitions.items())


async def input_end(bootstrap_servers: str, topics: TopicSettings) -> int:
    """Offsets that the input topic's partitions have come to, together."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap_servers) as consumer:
        partitions = [TopicPartition(topics.user_events, number) for number in range(topics.partitions)]
        return sum((await consumer.end_offsets(partitions)).values())

"""Stand-ins for what the worker asks a broker as an administrator, on an InMemoryBroker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.structs import TopicPartition

from streams.kafka.client.metadata import TopicMetadata
from tests.driver.broker import InMemoryBroker

ALL_OPERATIONS = 2**13 - 1


class InMemoryTopicMetadata:
    """TopicMetadataClient."""

    def __init__(self, broker: InMemoryBroker, *_: Any) -> None:
        self._broker = broker

    async def stop(self) -> None:
        pass

    async def describe(self, topics: Collection[str]) -> dict[str, TopicMetadata]:
        return {
            topic: TopicMetadata(
                topic, self._broker.topic_ids[topic], True, True, [0] * len(self._broker.topics[topic]), ALL_OPERATIONS
            )
            for topic in topics
            if topic in self._broker.topic_ids
        }


class InMemoryGroup:
    """GroupAdmin."""

    def __init__(self, broker: InMemoryBroker) -> None:
        self._broker = broker

    async def offsets(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        offsets = self._broker.group.offsets
        return {
            partition: offsets[TopicPartition(topic, partition)]
            for partition in partitions
            if TopicPartition(topic, partition) in offsets
        }

    async def members(self) -> list[str]:
        return sorted(self._broker.group.members)


@asynccontextmanager
async def in_memory_metadata(broker: InMemoryBroker, *_: Any) -> AsyncIterator[InMemoryTopicMetadata]:
    yield InMemoryTopicMetadata(broker)


@asynccontextmanager
async def in_memory_group(broker: InMemoryBroker, *_: Any) -> AsyncIterator[InMemoryGroup]:
    yield InMemoryGroup(broker)

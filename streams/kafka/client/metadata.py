"""What brokers know of topics by name: id, partitions, and what this client may do. None is created by the question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaClient
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    NoError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.kafka.client.broker_version import check_broker_version
from streams.kafka.client.client_options import client_options
from streams.kafka.client.metadata_request import TopicMetadataRequest
from streams.settings.sections import KafkaSettings

OPERATIONS: Final = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Describe": 8,
    "DescribeConfigs": 10,
    "IdempotentWrite": 12,
}
"""Kafka's operations that we need, with their bit in a set of them."""
_NO_ID: Final = UUID(int=0)
_REQUEST_TIMEOUT_MS: Final = 10_000
_ATTEMPTS: Final = 5
_RETRY_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """A topic as the broker describes it to this client."""

    name: str
    topic_id: str  # new in each topic, whatever its name; empty where brokers are older than 2.8
    exists: bool
    describable: bool  # False: the broker does not say whether it exists
    leaders: Sequence[int]  # [partitions] the leader's node, -1 for none
    operations: int

    @property
    def partitions(self) -> int:
        """How many partitions it has."""
        return len(self.leaders)

    def allows(self, operation: str) -> bool:
        """Whether this client may do that."""
        return bool(self.operations >> OPERATIONS[operation] & 1)


async def describe_topics(kafka: KafkaSettings, topics: Iterable[str]) -> Mapping[str, TopicMetadata]:
    """The topics by name, those that do not exist too. Raises KafkaConnectionError without a broker."""
    client = AIOKafkaClient(**client_options(kafka), request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        await client.bootstrap()
        return await describe_topics_by(client, topics)
    finally:
        await client.close()


async def describe_topics_by(client: Any, topics: Iterable[str]) -> dict[str, TopicMetadata]:
    """The same by a client that is connected. Every command and worker begins with it: raises KafkaVersionError."""
    node = client.get_random_node()
    if node is None:
        raise NodeNotReadyError("no broker is known")
    await check_broker_version(client, node)
    response = await client.send(node, TopicMetadataRequest(topics))
    return {topic["topic"]: _topic(topic) for topic in response.to_object()["topics"]}


def _topic(fields: Mapping[str, Any]) -> TopicMetadata:
    """A topic of a response of any version."""
    error = for_code(fields["error_code"])
    partitions = sorted((partition["partition"], partition["leader"]) for partition in fields["partitions"])
    if error not in (NoError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError) and not partitions:
        raise error(fields["topic"])  # leaders are being elected
    exists = error not in (TopicAuthorizationFailedError, UnknownTopicOrPartitionError)
    topic_id = fields.get("topic_id", _NO_ID)
    return TopicMetadata(
        name=fields["topic"],
        topic_id="" if topic_id == _NO_ID else str(topic_id),
        exists=exists,
        describable=error is not TopicAuthorizationFailedError,
        leaders=[leader for _, leader in partitions],
        operations=fields["authorized_operations"] if exists else 0,
    )


class TopicMetadataClient:
    """A connection that is kept for further questions, and made anew where a broker fails."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._client: AIOKafkaClient | None = None

    async def stop(self) -> None:
        """Closes the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def describe(self, topics: Collection[str]) -> dict[str, TopicMetadata]:
        """These topics by name; one that does not exist is left out.

        Raises KafkaError where no broker answers, or where this client may not describe one of them.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._describe(topics)
            except KafkaError as error:
                # A new client for each attempt: the old one may know only brokers that are gone.
                await self.stop()
                if attempt == _ATTEMPTS or isinstance(error, KafkaConnectionError | TopicAuthorizationFailedError):
                    raise
            await asyncio.sleep(_RETRY_S)
        raise AssertionError("unreachable")

    async def _describe(self, topics: Collection[str]) -> dict[str, TopicMetadata]:
        if self._client is None:
            client = AIOKafkaClient(**client_options(self._kafka), request_timeout_ms=_REQUEST_TIMEOUT_MS)
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        described = await describe_topics_by(self._client, topics)
        for topic in described.values():
            if not topic.describable:
                raise TopicAuthorizationFailedError(topic.name)
        return {name: topic for name, topic in described.items() if topic.exists}


@asynccontextmanager
async def topic_metadata(kafka: KafkaSettings) -> AsyncIterator[TopicMetadataClient]:
    """A client for the block."""
    client = TopicMetadataClient(kafka)
    try:
        yield client
    finally:
        await client.stop()

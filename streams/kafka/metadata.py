"""Topics by name, with what this client may do with them (KIP-430), which aiokafka does not ask for.

Version 8 of the Metadata request also creates no topic on brokers with `auto.create.topics.enable`; aiokafka's does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaClient
from aiokafka.errors import NoError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from streams.kafka.client_options import client_options
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
_NOT_TOLD = -(2**31)


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """A topic as the broker describes it to this client."""

    name: str
    exists: bool
    describable: bool  # False: whether it exists is not told
    leaders: Sequence[int]  # [partitions] the leader's node, -1 for none
    operations: int

    def allows(self, operation: str) -> bool:
        """Whether this client may do that; True where the broker does not tell."""
        if self.operations == _NOT_TOLD:
            return self.describable
        return bool(self.operations >> OPERATIONS[operation] & 1)


class MetadataResponseV8(Response):
    """Brokers and topics, with the operations that are authorized."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class MetadataRequestV8(RequestStruct):
    """Topics by name, on the wire."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponseV8
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class AuthorizedMetadata(Request[MetadataRequestV8]):
    """The request in the only version that is used; brokers older than 2.3 do not have it."""

    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[MetadataRequestV8]) -> MetadataRequestV8:
        """The struct that goes over the wire."""
        return request_struct_class(self._topics, False, True, True)


async def describe_topics(kafka: KafkaSettings, topics: Iterable[str]) -> Mapping[str, TopicMetadata]:
    """The topics by name, those that do not exist too. Raises KafkaConnectionError without a broker."""
    client = AIOKafkaClient(**client_options(kafka))
    try:
        await client.bootstrap()
        return await describe_topics_by(client, topics)
    finally:
        await client.close()


async def describe_topics_by(client: Any, topics: Iterable[str]) -> dict[str, TopicMetadata]:
    """The same by a client that is connected."""
    response = await client.send(client.get_random_node(), AuthorizedMetadata(topics))
    described = {}
    for code, name, _, partitions, operations in response.topics:
        error = for_code(code)
        leaders = [leader for _, leader in sorted((partition[1], partition[2]) for partition in partitions)]
        if error not in (NoError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError) and not leaders:
            raise error(name)  # leaders are being elected
        exists = error is not UnknownTopicOrPartitionError and error is not TopicAuthorizationFailedError
        describable = error is not TopicAuthorizationFailedError
        described[name] = TopicMetadata(name, exists, describable, leaders, operations if exists else 0)
    return described

"""Ids and partition counts of topics, asked for without creating a topic that does not exist.

aiokafka 0.14 asks for metadata in version 5: that has no topic ids, and its client lets a broker with
auto.create.topics.enable create every topic that is named. Version 10 (brokers from 2.8 on) has the id by which a
topic that was deleted and created again is told from the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, NamedTuple, cast
from uuid import UUID

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, TopicAuthorizationFailedError, for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streams.kafka.client_options import client_options
from streams.settings.sections import KafkaSettings

_NO_ID = UUID(int=0)
_REQUEST_TIMEOUT_MS = 10_000
_ATTEMPTS = 5
_RETRY_S = 0.2


class TopicMetadata(NamedTuple):
    """A topic as the brokers know it."""

    topic_id: str  # new in each topic, whatever its name; empty where brokers are older than 2.8
    partitions: int


class _Uuid(AbstractType[UUID]):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_UTF8 = CompactString("utf-8")
_INTEGERS = CompactArray(Int32)


class MetadataResponseV10(Response):
    """Brokers, and topics with their ids."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node", Int32), ("host", _UTF8), ("port", Int32), ("rack", _UTF8), ("tags", TaggedFields)),
        ),
        ("cluster_id", _UTF8),
        ("controller", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _UTF8),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _INTEGERS),
                        ("in_sync_replicas", _INTEGERS),
                        ("offline_replicas", _INTEGERS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class MetadataRequestV10(RequestStruct):
    """The topics' metadata, on the wire."""

    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = MetadataResponseV10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _UTF8), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicIdRequest(Request[MetadataRequestV10]):
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[MetadataRequestV10]) -> MetadataRequestV10:
        return request_struct_class([(_NO_ID, topic, {}) for topic in self._topics], False, False, False, {})


class TopicMetadataClient:
    """A connection that answers what topics are like."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._client: AIOKafkaClient | None = None

    async def stop(self) -> None:
        """Closes the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def describe(self, topics: Collection[str]) -> dict[str, TopicMetadata]:
        """These topics by name; one that does not exist is left out, and not created.

        Raises KafkaError where no broker answers.
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
        node = self._client.get_random_node()
        if node is None:
            raise NodeNotReadyError("no broker is known")
        try:
            response = await self._client.send(node, _TopicIdRequest(topics))
        except NotImplementedError:  # a broker without this version
            request = MetadataRequest(list(topics), allow_auto_topic_creation=False)
            response = cast(Any, await self._client.send(node, request))
            return {
                name: TopicMetadata("", len(partitions))
                for error, name, _, partitions in response.topics
                if _exists(error, name)
            }
        return {
            name: TopicMetadata("" if topic_id == _NO_ID else str(topic_id), len(partitions))
            for error, name, topic_id, _, partitions, _, _ in cast(Any, response).topics
            if _exists(error, name)
        }


def _exists(code: int, name: str) -> bool:
    if for_code(code) is TopicAuthorizationFailedError:
        raise TopicAuthorizationFailedError(name)
    return code == 0


@asynccontextmanager
async def topic_metadata(kafka: KafkaSettings) -> AsyncIterator[TopicMetadataClient]:
    """A client for the block."""
    client = TopicMetadataClient(kafka)
    try:
        yield client
    finally:
        await client.stop()

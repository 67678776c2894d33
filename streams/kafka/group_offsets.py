"""Committed offsets of a consumer group as a transactional consumer must read them (KIP-447), and its members.

aiokafka 0.14 asks for offsets in version 3, whose answer is the last committed one even while a transaction that
commits another is open: whoever takes over a partition would read records a second time. Version 7 says so instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaClient
from aiokafka.client import CoordinationType
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from aiokafka.structs import TopicPartition

from streams.kafka.client.access import DescribeAuthorizedGroup
from streams.kafka.client.client_options import client_options
from streams.settings.sections import KafkaSettings

_TEXT = CompactString("utf-8")
_UNSTABLE: Final = 88  # UNSTABLE_OFFSET_COMMIT


class OffsetFetchResponseV7(Response):
    """Offsets partition by partition, each with what was committed beside it."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequestV7(RequestStruct):
    """A group's offsets, on the wire."""

    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = OffsetFetchResponseV7
    SCHEMA = Schema(
        ("group_id", _TEXT),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsetFetch(Request[OffsetFetchRequestV7]):
    """The request in the only version that is used; brokers older than 2.5 do not have it."""

    API_KEY = 9

    def __init__(self, group_id: str, topics: list[tuple[str, list[int]]], require_stable: bool) -> None:
        rows: list[Any] = [(topic, partitions, {}) for topic, partitions in topics]
        self._fields: tuple[Any, ...] = (group_id, rows, require_stable, {})

    def build(self, request_struct_class: type[OffsetFetchRequestV7]) -> OffsetFetchRequestV7:
        """The struct that goes over the wire."""
        return request_struct_class(*self._fields)


class CommittedOffset(NamedTuple):
    """What a group has committed for a partition."""

    offset: int | None  # the next one to be read; None where there is none
    metadata: str
    stable: bool = True  # False: a transaction that commits another one is open


class GroupOffsets:
    """Answers about one group, on a connection of its own. Raises KafkaError where no coordinator answers."""

    def __init__(self, kafka: KafkaSettings, group_id: str) -> None:
        self.group_id = group_id
        self._client: Any = AIOKafkaClient(**client_options(kafka))

    async def start(self) -> None:
        """Connects."""
        await self._client.bootstrap()

    async def stop(self) -> None:
        """Closes the connection."""
        await self._client.close()

    async def committed(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, CommittedOffset]:
        """The committed offset of each partition."""
        stable = await self._fetch(tps, require_stable=True)
        if unstable := [tp for tp, committed in stable.items() if not committed.stable]:
            before = await self._fetch(unstable, require_stable=False)
            stable |= {tp: committed._replace(stable=False) for tp, committed in before.items()}
        return stable

    async def client_ids(self) -> set[str]:
        """The client ids of the members."""
        node = await self._client.coordinator_lookup(CoordinationType.GROUP, self.group_id)
        response = await self._client.send(node, DescribeAuthorizedGroup(self.group_id))
        ((code, _, _, _, _, members, _),) = response.groups
        _raise(code)
        return {client_id for _, client_id, *_ in members}

    async def _fetch(
        self, tps: Collection[TopicPartition], require_stable: bool
    ) -> dict[TopicPartition, CommittedOffset]:
        partitions: defaultdict[str, list[int]] = defaultdict(list)
        for tp in tps:
            partitions[tp.topic].append(tp.partition)
        node = await self._client.coordinator_lookup(CoordinationType.GROUP, self.group_id)
        request = StableOffsetFetch(self.group_id, list(partitions.items()), require_stable)
        response = await self._client.send(node, request)
        _raise(response.error_code)
        committed = {}
        for topic, answers, _ in response.topics:
            for partition, offset, _, metadata, code, _ in answers:
                if code != _UNSTABLE:
                    _raise(code)
                committed[TopicPartition(topic, partition)] = CommittedOffset(
                    offset if offset >= 0 else None, metadata or "", code != _UNSTABLE
                )
        return committed


def _raise(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error()

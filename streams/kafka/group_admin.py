"""A consumer group as an administrator sees it: its committed offsets and its members."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from streams.kafka.client.client_options import client_options
from streams.settings.sections import KafkaSettings


class GroupAdmin:
    """Answers about one consumer group. Raises KafkaError where no broker answers."""

    def __init__(self, admin: AIOKafkaAdminClient, group_id: str) -> None:
        self._admin = admin
        self._group_id = group_id

    async def offsets(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """The committed offset by partition; partitions without one are left out."""
        tps = [TopicPartition(topic, partition) for partition in partitions]
        if not tps:
            return {}
        committed = await self._admin.list_consumer_group_offsets(self._group_id, partitions=tps)
        return {tp.partition: metadata.offset for tp, metadata in committed.items() if metadata.offset >= 0}

    async def members(self) -> list[str]:
        """The client hosts of the members."""
        answers: list[Any] = await self._admin.describe_consumer_groups([self._group_id])
        (group,) = answers[0].groups
        # error code, group, state, protocol type, protocol, members (id, client id, host, …)
        return [member[2].lstrip("/") for member in group[5]]


@asynccontextmanager
async def group_admin(kafka: KafkaSettings) -> AsyncIterator[GroupAdmin]:
    """An administrator of the worker's group, for the block."""
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    try:
        yield GroupAdmin(admin, kafka.group_id)
    finally:
        await admin.close()

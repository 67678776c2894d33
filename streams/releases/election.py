"""Election of the one trainer that writes releases: the member of a consumer group that has partition 0 of their topic.

The group's coordinator notices a member that is gone within kafka.session_timeout_s. It cannot notice one that is
frozen and wakes up later: that one is fenced by the transactional id of the releases.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from uuid import uuid4

from aiokafka.structs import TopicPartition

from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.group_consumer import GroupConsumer
from streams.settings.settings import Settings

_CHECK_S: Final = 1.0


class Election:
    """A member of the trainers' group. Made inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.model_releases
        self._consumer = GroupConsumer(settings.kafka, settings.trainer_group, f"{settings.trainer_group}-{uuid4()}")
        self._elected = asyncio.Event()
        self._metadata: ConsumerGroupMetadata | None = None

    async def start(self) -> None:
        """Joins the group."""
        await self._consumer.start([self._topic], self._on_assigned, self._on_revoked)

    async def stop(self) -> None:
        """Leaves the group, so that another one is elected at once."""
        await self._consumer.stop()

    async def wait(self) -> None:
        """Returns once this member is elected. Raises the KafkaError that keeps it from joining the group."""
        while not self._elected.is_set():
            self._consumer.check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._elected.wait(), _CHECK_S)

    async def confirm(self) -> bool:
        """Whether it is elected, asked of the group's coordinator. Raises KafkaError without an answer."""
        return self._elected.is_set() and self._metadata is not None and await self._consumer.is_member(self._metadata)

    def _on_assigned(self, partitions: set[TopicPartition], metadata: ConsumerGroupMetadata) -> None:
        """A topic that does not exist elects nobody: who trains then goes on until another one fences it."""
        self._metadata = metadata
        if TopicPartition(self._topic, 0) in partitions:
            self._elected.set()
        else:
            self._elected.clear()

    async def _on_revoked(self) -> None:
        """A rebalance begins, after which the same member is elected as a rule: nothing is given up for it."""

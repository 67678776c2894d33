"""A stand-in for SourceConsumer: group membership and delivery of one worker, on an InMemoryBroker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

from aiokafka.structs import TopicPartition

from streams.kafka.faust_transport import RecordBatch
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.settings.settings import Settings
from tests.driver.broker import InMemoryBroker, consumer_record

_FETCH_RECORDS = 50


class InMemorySource:
    """Joins with all partitions; hands out fetches when the driver asks for them."""

    def __init__(self, broker: InMemoryBroker, settings: Settings, on_error: Callable[[BaseException], None]) -> None:
        self.member_id = f"member-{uuid4().hex[:8]}"
        self._broker = broker
        self._topic = settings.topics.user_events
        self._group_id = settings.kafka.group_id
        self._positions: dict[int, int] = {}
        self._on_revoked: Callable[[], Awaitable[None]] | None = None

    async def start(
        self,
        on_batches: Callable[[AsyncIterator[RecordBatch]], Awaitable[None]],
        on_assigned: Callable[[set[int], ConsumerGroupMetadata], None],
        on_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        """Begins a generation with this member alone, which gets every partition."""
        self._on_revoked = on_revoked
        self._broker.group.rebalance(self.member_id)
        self._positions = dict.fromkeys(range(len(self._broker.topics[self._topic])), 0)
        group_metadata = ConsumerGroupMetadata(self._group_id, self._broker.group.generation, self.member_id)
        on_assigned(set(self._positions), group_metadata)

    async def stop(self) -> None:
        """Leaves the group, after the partitions are closed."""
        if self._on_revoked is not None:
            await self._on_revoked()

    def check(self) -> None:
        """Nothing crashes here."""

    async def is_member(self, group_metadata: ConsumerGroupMetadata) -> bool:
        """Whether the group's present generation has the member."""
        group = self._broker.group
        return group_metadata.member_id in group.members and group_metadata.generation == group.generation

    async def rewind(self, partition: int, offset: int) -> None:
        """The next fetch of the partition begins at `offset`."""
        self._positions[partition] = offset

    def stable_offset(self, partition: int) -> int | None:
        """The partition's last stable offset."""
        return self._broker.log(TopicPartition(self._topic, partition)).last_stable_offset

    def fetch(self) -> list[RecordBatch]:
        """The next committed records of each partition that has any."""
        batches = []
        for partition, position in self._positions.items():
            tp = TopicPartition(self._topic, partition)
            log = self._broker.log(tp)
            if not log.begin <= position <= log.end:  # auto.offset.reset=earliest
                position = log.begin
            entries = list(log.read(position, log.last_stable_offset, aborted=False))[:_FETCH_RECORDS]
            if entries:
                batches.append(RecordBatch(partition, [consumer_record(tp, entry) for entry in entries]))
                self._positions[partition] = entries[-1].offset + 1
        return batches

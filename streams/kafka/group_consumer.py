"""Consumers that are members of a group: the options of all, and one that fetches only from where it is told to.

Knows generations and positions; knows nothing of what the records mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka.client.client_options import client_options
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.transaction import REQUEST_TIMEOUT_MS
from streams.kafka.undecodable import isolating_consumer
from streams.settings.sections import KafkaSettings

Fetched: TypeAlias = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
"""Consecutive records of each partition, those that cannot be decoded as UndecodableRecord"""

_MAX_POLL_INTERVAL_MS: Final = 2**31 - 1
_METADATA_MAX_AGE_MS: Final = 10_000  # partitions that a topic gets are assigned that late, of five minutes by default


def group_consumer(kafka: KafkaSettings, group_id: str, **options: Any) -> AIOKafkaConsumer:
    """A consumer that joins the group once it is started and subscribed, and never commits by itself."""
    return isolating_consumer(
        **client_options(kafka),
        group_id=group_id,
        isolation_level="read_committed",
        partition_assignment_strategy=[StickyPartitionAssignor],
        enable_auto_commit=False,
        fetch_min_bytes=kafka.fetch_min_bytes,
        fetch_max_wait_ms=kafka.fetch_max_wait_ms,
        max_partition_fetch_bytes=max(kafka.max_record_bytes, 1 << 20),
        session_timeout_ms=int(kafka.session_timeout_s * 1000),
        heartbeat_interval_ms=int(kafka.session_timeout_s * 1000 / 4),
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        # A member is alive while its heartbeats come: a long step must not cost it its partitions.
        max_poll_interval_ms=_MAX_POLL_INTERVAL_MS,
        **options,
    )


class GroupConsumer:
    """A member of a group. Assigned partitions are held until `begin` says where each one begins.

    So nothing is fetched by an offset that a transaction may still replace.
    """

    def __init__(self, kafka: KafkaSettings, group_id: str, client_id: str) -> None:
        self._group_id = group_id
        self._consumer = group_consumer(
            kafka,
            group_id,
            client_id=client_id,
            auto_offset_reset="none",  # offsets are always given: a reset would skip or repeat records silently
            metadata_max_age_ms=_METADATA_MAX_AGE_MS,
        )

    async def start(
        self,
        topics: Collection[str],
        on_assigned: Callable[[set[TopicPartition], ConsumerGroupMetadata], None],
        on_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        """Joins the group. `on_revoked` is awaited before a rebalance goes on."""
        await self._consumer.start()
        self._consumer.subscribe(list(topics), listener=_Listener(self, on_assigned, on_revoked))

    def check(self) -> None:
        """Raises the KafkaError that keeps it from joining; `fetch` does so too."""
        coordinator: Any = self._consumer._coordinator
        coordinator.check_errors()

    async def stop(self) -> None:
        """Leaves the group."""
        await self._consumer.stop()

    def hold(self, tps: Collection[TopicPartition]) -> None:
        """Fetches nothing of these partitions, and forgets what is fetched."""
        for tp in tps:
            self._consumer.pause(tp)
            self._consumer.seek(tp, 0)  # any position keeps aiokafka from asking for a committed offset

    def begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Fetches these partitions from these offsets on."""
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)
            self._consumer.resume(tp)

    async def fetch(self, timeout_ms: int, max_records: int) -> Fetched:
        """What has arrived; waits for a first record up to the timeout, and for the end of a rebalance without one.

        Raises OffsetOutOfRangeError where a partition no longer has its position.
        """
        return await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)

    async def position(self, tp: TopicPartition) -> int:
        """The offset behind all that was fetched, markers of transactions included."""
        return int(await self._consumer.position(tp))

    def stable_end(self, tp: TopicPartition) -> int | None:
        """The last stable offset that a fetch has shown."""
        end: int | None = self._consumer.last_stable_offset(tp)
        return end

    async def log_ranges(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """The offsets that the partitions hold now: the first, and the one after the last that is committed."""
        if not tps:
            return {}
        begins, ends = await self._consumer.beginning_offsets(list(tps)), await self._consumer.end_offsets(list(tps))
        return {tp: (begins[tp], ends[tp]) for tp in tps}

    def group_metadata(self) -> ConsumerGroupMetadata:
        """Generation and member id now; to be called in the assigned handler, while the coordinator waits."""
        coordinator: Any = self._consumer._coordinator
        return ConsumerGroupMetadata(self._group_id, coordinator.generation, coordinator.member_id)

    async def is_member(self, group_metadata: ConsumerGroupMetadata) -> bool:
        """Whether the group, asked by a heartbeat, still has this member. Raises KafkaError without an answer."""
        coordinator: Any = self._consumer._coordinator
        answered = await coordinator._do_heartbeat()
        # A refusal resets both; without an answer they stay, and the membership may be valid.
        if (coordinator.generation, coordinator.member_id) != (group_metadata.generation, group_metadata.member_id):
            return False
        if not answered:
            raise KafkaError("the group's coordinator did not answer a heartbeat")
        return True


class _Listener(ConsumerRebalanceListener):
    """Takes the generation when partitions are assigned: read at a commit, it could be a later one."""

    def __init__(
        self,
        consumer: GroupConsumer,
        on_assigned: Callable[[set[TopicPartition], ConsumerGroupMetadata], None],
        on_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._consumer = consumer
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Before a rebalance."""
        await self._on_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """After it. No heartbeat is sent meanwhile, so that nothing is awaited here."""
        self._consumer.hold(assigned)
        metadata = self._consumer.group_metadata()
        # aiokafka never does: of two members that claim a partition, one that was frozen could get it back.
        StickyPartitionAssignor.on_generation_assignment(metadata.generation)
        self._on_assigned(set(assigned), metadata)

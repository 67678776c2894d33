"""Recovery of assigned partitions: their rows and next offsets, as the changelog holds them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from state.table import UserTable
from streams.errors import StaleMembership
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.source_consumer import SourceConsumer
from streams.kafka.transaction import end_transaction
from streams.settings.sections import KafkaSettings
from streams.worker.partitions.changelog import Changelog, SourceOffset, is_outdated
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.partitions.source_topic import SourceTopic
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)


class PartitionRecovery:
    """Opens partitions: waits for the predecessor's transactions, restores the rows, seeks to the next offset.

    The order is what makes a takeover safe: whoever owned a partition before can commit nothing after the wait, so that
    the restored rows and the next offset are final.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        table: UserTable,
        changelog: Changelog,
        source_topic: SourceTopic,
        consumer: SourceConsumer,
        transactional_id: str,
    ) -> None:
        self._kafka = kafka
        self._table = table
        self._changelog = changelog
        self._source_topic = source_topic
        self._consumer = consumer
        self._transactional_id = transactional_id

    async def open(self, partitions: Sequence[int], group_metadata: ConsumerGroupMetadata) -> dict[int, PartitionState]:
        """The states of these partitions, equal to the committed changelog. Nothing may be open before.

        Raises StaleMembership where the group has moved on, ChangelogError where the local rows belong to another
        changelog, SourceTopicError where the offsets belong to another source topic, KafkaError where the broker does
        not answer.
        """
        if not partitions:
            return {}

        async def end_transactions(writers: set[str]) -> None:
            await self._end_transactions(writers, group_metadata)

        await self._changelog.wait_for_stable_offset(partitions, end_transactions)
        known = len(self._table.quarantined)
        stores = {partition: await in_thread(self._table.open, partition) for partition in partitions}
        for folder in self._table.quarantined[known:]:
            log.warning("damaged rows are set aside in %s and restored from the changelog", folder)
        for partition, store in stores.items():
            if is_outdated(store):
                log.warning("the rows of partition %d are too old to be brought up to date: dropped", partition)
                stores[partition] = await in_thread(self._table.discard, partition)
        await self._changelog.restore(stores)
        rows = {
            partition: None if store.offset_row is None else SourceOffset.decode(store.offset_row)
            for partition, store in stores.items()
        }
        topic_id = await self._source_topic.topic_id()
        states = {}
        # The group's committed offset is not used: it outlives a changelog that was given up.
        for partition, next_offset in (await self._source_topic.next_offsets(rows, topic_id)).items():
            states[partition] = PartitionState(partition, stores[partition], next_offset, topic_id)
            await self._consumer.rewind(partition, next_offset)
        return states

    async def close(self) -> None:
        """Every store is closed."""
        await in_thread(self._table.close_partitions)

    async def _end_transactions(self, writers: set[str], group_metadata: ConsumerGroupMetadata) -> None:
        # A frozen worker that wakes up here would otherwise end its successor's transaction.
        if not await self._consumer.is_member(group_metadata):
            raise StaleMembership("the consumer group has moved on without this worker")
        # This process's own transaction is ended by its own producer.
        for writer in writers - {self._transactional_id}:
            await end_transaction(self._kafka, writer)

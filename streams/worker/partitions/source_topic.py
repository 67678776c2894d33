"""The source topic of newly assigned partitions: whether it is still the one whose offsets are remembered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from aiokafka.errors import KafkaError

from streams.errors import SourceTopicError
from streams.kafka.client.metadata import topic_metadata
from streams.kafka.group_admin import group_admin
from streams.settings.sections import KafkaSettings
from streams.worker.partitions.changelog import SourceOffset
from streams.worker.partitions.offset_gaps import RESET_CURE, LogRange, OffsetGaps

log = logging.getLogger(__name__)

_SETTLE_S = 0.5  # a transaction's offsets appear in the group a moment after its records
_SHORT_ATTEMPTS = 4


class SourceTopic:
    """Finds the next offset of partitions from what the changelog remembers and what the topic holds."""

    def __init__(self, kafka: KafkaSettings, topic: str, gaps: OffsetGaps) -> None:
        self._kafka = kafka
        self._topic = topic
        self._gaps = gaps

    async def topic_id(self) -> str:
        """The topic's id now; empty where brokers give none."""
        async with topic_metadata(self._kafka) as client:
            topics = await client.describe([self._topic])
        return topics[self._topic].topic_id if self._topic in topics else ""

    async def next_offsets(self, rows: Mapping[int, SourceOffset | None], topic_id: str) -> dict[int, int]:
        """The next offset of each partition, from its offset row; where there is none, the oldest that is kept.

        Records that expired unread are logged. Raises SourceTopicError where the topic was recreated or rolled back.
        """
        for partition, row in rows.items():
            if row is not None and row.topic_id and topic_id and row.topic_id != topic_id:
                raise SourceTopicError(
                    f"{self._topic} was deleted and created again: partition {partition} was read up to offset "
                    f"{row.next_offset} of topic id {row.topic_id}, its id is now {topic_id}. {RESET_CURE}"
                )
        ranges = await self._log_ranges(rows)
        await self._compare_with_group(rows)
        offsets = {}
        for partition, row in rows.items():
            begin, end = ranges[partition]
            if row is None:
                offsets[partition] = begin
                continue
            if row.next_offset > end:
                raise SourceTopicError(
                    f"{self._topic} partition {partition} ends at offset {end}, but was read up to {row.next_offset}: "
                    f"it was recreated or rolled back. {RESET_CURE}"
                )
            if row.next_offset < begin:
                self._gaps.report_expired(partition, row.next_offset, begin)
            offsets[partition] = max(row.next_offset, begin)
        return offsets

    async def _log_ranges(self, rows: Mapping[int, SourceOffset | None]) -> dict[int, LogRange]:
        """What the partitions hold; an end before the next offset is asked for again, of a new leader maybe."""
        for _ in range(_SHORT_ATTEMPTS):
            ranges = await self._gaps.log_ranges(rows)
            if all(row is None or row.next_offset <= ranges[partition].end for partition, row in rows.items()):
                break
            await asyncio.sleep(_SETTLE_S)
        return ranges

    async def _compare_with_group(self, rows: Mapping[int, SourceOffset | None]) -> None:
        """Logs where the group's committed offsets were changed by somebody else: they are not used."""
        expected = {partition: row.next_offset for partition, row in rows.items() if row is not None}
        try:
            async with group_admin(self._kafka) as admin:
                for _ in range(2):
                    committed = await admin.offsets(self._topic, expected)
                    changed = {
                        partition: offset for partition, offset in committed.items() if offset != expected[partition]
                    }
                    if not changed:
                        return
                    await asyncio.sleep(_SETTLE_S)
        except KafkaError as error:  # of a new broker that has had no group yet, say
            log.debug("the group's offsets are not known: %r", error)
            return
        for partition, offset in sorted(changed.items()):
            log.warning(
                "the group's offset of partition %d was set to %d: it is not used, the changelog goes on at %d; "
                "`interest-stream reset --to earliest|latest|TIME` makes workers begin elsewhere",
                partition,
                offset,
                expected[partition],
            )

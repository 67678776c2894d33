"""The user-state changelog as a stream of rows: every partition, from given offsets on, without a consumer group.

Each committed record of a user comes once and in order, but for those that compaction removed before they were read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.errors import ChangelogError, TopicError
from streams.kafka.client.client_options import client_options
from streams.kafka.client.metadata import TopicMetadata, TopicMetadataClient
from streams.kafka.closing import close_all
from streams.kafka.undecodable import UndecodableRecord, isolating_consumer
from streams.releases.release import ChangelogPosition
from streams.settings.settings import Settings
from streams.worker.partitions.changelog import ID_KEY, OFFSET_KEY

log = logging.getLogger(__name__)

BATCH_BYTES: Final = 4 << 20
_FIRST_ROW_BYTES: Final = 16 << 10  # taken for a row's size until one was read
_FETCH_WAIT_MS: Final = 100
_CHECK_S: Final = 3.0
_FETCH_TIMEOUT_MS: Final = 50

Row = tuple[bytes, bytes | None]
"""Key and value of a record: a user's row; None deletes it. With REVIEWS_KEY texts about items"""


@dataclass(frozen=True, slots=True)
class ChangelogBatch:
    """Rows of some partitions, each partition's in order, and the position after them."""

    rows: Sequence[Row]
    position: ChangelogPosition  # of all partitions
    is_full: bool  # more rows wait, as many as a batch may have


@dataclass(frozen=True, slots=True)
class FeedLag:
    """How far the feed is behind what is committed."""

    records: int  # markers of transactions included
    age_s: float | None  # since the last record that was handed over was written; None before the first


class ChangelogFeed:
    """Reads ahead while a batch is worked on, by one fetch of bounded size from each broker."""

    def __init__(self, settings: Settings, batch_bytes: int = BATCH_BYTES) -> None:
        """Batches have about `batch_bytes` of keys and values at most, and one record at least."""
        self._topic = settings.changelog_topic
        self._cure = (
            f"If that was meant, delete the topic {settings.topics.model_releases}: the model is learnt anew; if not, "
            "restore the changelog first"
        )
        self._batch_bytes = batch_bytes
        self._row_bytes = float(_FIRST_ROW_BYTES)
        self._client = TopicMetadataClient(settings.kafka)
        self._consumer: Any = isolating_consumer(
            **client_options(settings.kafka),
            isolation_level="read_committed",
            auto_offset_reset="none",  # a reset would skip or repeat rows silently
            enable_auto_commit=False,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            fetch_max_bytes=max(batch_bytes, settings.kafka.max_record_bytes),
        )
        self._topic_id = ""
        self._offsets: dict[int, int] = {}
        self._ids: dict[int, str] = {}
        self._ends: dict[int, int] = {}  # at the start
        self._checked_s = 0.0  # monotonic clock
        self._is_absent = False
        self._written_ms: int | None = None

    async def start(self, position: ChangelogPosition | None = None) -> None:
        """Begins at the position, or at the beginning.

        Raises ChangelogError where the position is not one of this changelog, TopicError where there is none,
        KafkaError.
        """
        position = position or ChangelogPosition()
        await self._consumer.start()
        topic = (await self._client.describe([self._topic])).get(self._topic)
        if topic is None:
            raise TopicError(f"{self._topic} does not exist; `interest-stream topics` creates what is missing")
        self._topic_id, self._ids = topic.topic_id, dict(position.ids)
        if beyond := position.offsets.keys() - range(topic.partitions):
            raise self._recreated(min(beyond), "it has fewer partitions")
        tps = [TopicPartition(self._topic, partition) for partition in range(topic.partitions)]
        begins, ends = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        self._ends = {tp.partition: end for tp, end in ends.items()}
        self._assign(begins)
        await self._check_ids(position, ends)
        for tp in tps:
            begin, offset = begins[tp], position.offsets.get(tp.partition, begins[tp])
            if offset > ends[tp]:
                raise self._recreated(
                    tp.partition, f"it ends at offset {ends[tp]}, the model has learnt up to {offset}"
                )
            if offset < begin:
                self._warn_of_gap(tp, offset, begin)
            self._offsets[tp.partition] = max(offset, begin)
            self._consumer.seek(tp, self._offsets[tp.partition])
        self._checked_s = time.monotonic()

    async def stop(self) -> None:
        """Closes both clients."""
        await close_all(self._consumer.stop, self._client.stop)

    @property
    def position(self) -> ChangelogPosition:
        """Behind all that was handed over."""
        return ChangelogPosition(dict(self._offsets), dict(self._ids))

    async def fetch(self, timeout_ms: int) -> ChangelogBatch:
        """The rows that come next, maybe none; waits up to `timeout_ms` for a first one.

        Raises ChangelogError where the changelog was deleted and created again, or truncated to before the position.
        """
        if time.monotonic() - self._checked_s > _CHECK_S:
            await self._check()
        try:
            most = max(1, int(self._batch_bytes / self._row_bytes))
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=most)
        except OffsetOutOfRangeError as error:
            await self._pass_removed(error.args[0])
            fetched = {}
        rows: list[Row] = []
        is_full = sum(map(len, fetched.values())) >= most
        for tp, records in fetched.items():
            for record in records:
                self._take(tp, record, rows)
            self._written_ms = max(self._written_ms or 0, records[-1].timestamp)
        if rows:
            size = sum(len(key) + len(value or b"") for key, value in rows)
            # Sizes change with the model: those of the last batches count. Few rows cost a trainer as much as many.
            self._row_bytes = max(size / len(rows), 0.5 * self._row_bytes, 64.0)
        for partition in self._offsets:
            self._offsets[partition] = await self._consumer.position(TopicPartition(self._topic, partition))
        return ChangelogBatch(rows, self.position, is_full)

    def lag(self) -> FeedLag:
        """How far behind it is, as far as fetches have shown."""
        records = 0
        for partition, offset in self._offsets.items():
            stable = self._consumer.last_stable_offset(TopicPartition(self._topic, partition))
            records += max(0, max(stable or 0, self._ends.get(partition, 0)) - offset)
        age_s = None if self._written_ms is None else max(0.0, time.time() - self._written_ms / 1000)
        return FeedLag(records, age_s)

    def _assign(self, offsets: dict[TopicPartition, int]) -> None:
        # Seek at once: a consumer without a position would begin to ask for one.
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    def _take(self, tp: TopicPartition, record: ConsumerRecord[bytes, bytes], rows: list[Row]) -> None:
        if isinstance(record, UndecodableRecord):
            log.warning("%s partition %d: %s: left out", tp.topic, tp.partition, record.message)
        elif record.key == ID_KEY:
            changelog_id = (record.value or b"").hex()
            if self._ids.setdefault(tp.partition, changelog_id) != changelog_id:
                raise self._recreated(tp.partition, "its id is another one")
        elif record.key is not None and record.key != OFFSET_KEY:
            rows.append((record.key, record.value))

    async def _check_ids(self, position: ChangelogPosition, ends: dict[TopicPartition, int]) -> None:
        """Raises ChangelogError where an id row is not the known one; the consumer is at the beginnings.

        It was written once, in the partition's first transaction, and compaction leaves it where it is.
        """
        unchecked = {TopicPartition(self._topic, partition) for partition in position.ids}
        while unchecked:
            fetched = await self._consumer.getmany(*unchecked, timeout_ms=_FETCH_TIMEOUT_MS)
            for tp in list(unchecked):
                ids = [(record.value or b"").hex() for record in fetched.get(tp, ()) if record.key == ID_KEY]
                if not ids and await self._consumer.position(tp) < ends[tp]:
                    continue
                if position.ids[tp.partition] not in ids:
                    raise self._recreated(tp.partition, "its id is another one")
                unchecked.discard(tp)

    async def _check(self) -> None:
        """Looks for partitions that were added, and at the topic's id."""
        self._checked_s = time.monotonic()
        try:
            topic = (await self._client.describe([self._topic])).get(self._topic)
        except (KafkaError, TimeoutError) as error:
            log.debug("the changelog's metadata are not known: %r", error)
            return
        if topic is None:
            if not self._is_absent:
                log.warning("%s does not exist any more: was it deleted?", self._topic)
            self._is_absent = True
            return
        self._is_absent = False
        if topic.topic_id != self._topic_id:
            raise ChangelogError(f"{self._topic} was deleted and created again while it was read. {self._cure}")
        if topic.partitions > len(self._offsets):
            self._add_partitions(topic)

    def _add_partitions(self, topic: TopicMetadata) -> None:
        added = range(len(self._offsets), topic.partitions)
        log.info("%s has %d partitions now", self._topic, topic.partitions)
        self._offsets |= dict.fromkeys(added, 0)
        self._assign({TopicPartition(self._topic, p): offset for p, offset in self._offsets.items()})

    async def _pass_removed(self, tps: Collection[TopicPartition]) -> None:
        """Goes on at the first record that is left. Raises ChangelogError for a position behind the end."""
        begins = await self._consumer.beginning_offsets(list(tps))
        for tp, begin in begins.items():
            offset = self._offsets[tp.partition]
            if offset > begin:
                raise self._recreated(tp.partition, f"offset {offset} is not there any more")
            self._warn_of_gap(tp, offset, begin)
            self._offsets[tp.partition] = begin
            self._consumer.seek(tp, begin)

    def _warn_of_gap(self, tp: TopicPartition, offset: int, begin: int) -> None:
        log.warning(
            "%s partition %d: offsets %d to %d are gone, what they held is not learnt",
            tp.topic,
            tp.partition,
            offset,
            begin - 1,
        )

    def _recreated(self, partition: int, how: str) -> ChangelogError:
        return ChangelogError(
            f"{self._topic} partition {partition} is not the changelog that the model has learnt from: {how}. "
            f"{self._cure}"
        )

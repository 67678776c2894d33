"""Where assigned partitions begin: the group's committed offsets, once no transaction can change them any more.

Beside each offset lies who committed it and of which topic. A process that is gone may have left a transaction open,
which readers of `user-events` would wait for: the one that takes its partitions over ends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, Literal, Protocol

import msgspec
from aiokafka.structs import TopicPartition

from streams.errors import SourceTopicError
from streams.kafka.group_consumer import GroupConsumer
from streams.kafka.group_offsets import CommittedOffset, GroupOffsets
from streams.kafka.transaction import end_transaction
from streams.settings.sections import KafkaSettings

StartAt = Literal["earliest", "latest"]

_RETRY_S: Final = 0.1
_REMIND_S: Final = 10.0
_SETTLE_S: Final = 0.5  # a new leader knows the end of the log a moment later
_SHORT_ATTEMPTS: Final = 4


class OffsetNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """What lies beside a committed offset."""

    writer: str = ""  # transactional id, and client id in the group
    topic_id: str = ""

    def encode(self) -> str:
        """As the group keeps it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> OffsetNote:
        """Empty for what another tool has written."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            return cls()


class TopicIds(Protocol):
    """Knows the ids of the topics that are read."""

    def topic_id(self, topic: str) -> str:
        """The id that it had when it was last asked for."""

    async def refresh(self) -> dict[str, str]:
        """The ids of all now."""


class SourcePositions:
    """Finds the next offset of partitions. Offsets that another tool has set while nobody ingests are used."""

    def __init__(
        self,
        kafka: KafkaSettings,
        offsets: GroupOffsets,
        consumer: GroupConsumer,
        client_id: str,
        topics: TopicIds,
        start_at: StartAt,
        notify: Callable[[str], None],
    ) -> None:
        self._kafka = kafka
        self._offsets = offsets
        self._consumer = consumer
        self._client_id = client_id
        self._topics = topics
        self._start_at = start_at
        self._notify = notify

    def note(self, topic: str) -> str:
        """What is to be committed beside offsets of this topic."""
        return OffsetNote(self._client_id, self._topics.topic_id(topic)).encode()

    async def find(
        self, tps: Collection[TopicPartition], is_current: Callable[[], bool]
    ) -> dict[TopicPartition, int] | None:
        """The next offset of each partition; None once they are not ours any more.

        Raises SourceTopicError for a topic that was replaced or rolled back, KafkaError without a broker.
        """
        while True:
            ids = await self._topics.refresh()
            committed = await self._stable_offsets(tps, is_current)
            if committed is None:
                return None
            ranges = await self._log_ranges(committed)
            if await self._topics.refresh() == ids:
                break  # no topic was created again meanwhile: offsets and ranges are of the same one
        for tp, (_, text, _) in committed.items():
            before, now = OffsetNote.decode(text).topic_id, ids[tp.topic]
            if before and now and before != now:
                raise SourceTopicError(f"{tp.topic} was deleted and created again since it was read. {self._cure(tp)}")
        return {tp: self._begin(tp, offset, *ranges[tp]) for tp, (offset, _, _) in committed.items()}

    async def all_read(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether the group has committed these offsets, whoever of it."""
        committed = await self._offsets.committed(ends)
        return all((committed[tp].offset or 0) >= end for tp, end in ends.items())

    async def _stable_offsets(
        self, tps: Collection[TopicPartition], is_current: Callable[[], bool]
    ) -> dict[TopicPartition, CommittedOffset] | None:
        ended: set[str] = set()
        remind_s = time.monotonic() + _REMIND_S
        while is_current():
            committed = await self._offsets.committed(tps)
            writers = {OffsetNote.decode(entry.metadata).writer for entry in committed.values()}
            if writers := writers - {"", self._client_id} - ended:
                # Who is a member still ends its transaction by itself, before it gave its partitions away.
                for writer in writers - await self._offsets.client_ids():
                    await end_transaction(self._kafka, writer)
                    ended.add(writer)
                    committed = await self._offsets.committed(tps)
            if all(entry.stable for entry in committed.values()):
                return committed
            if time.monotonic() > remind_s:
                remind_s += _REMIND_S
                self._notify("waiting for a transaction of another process to end; Kafka ends it within a minute")
            await asyncio.sleep(_RETRY_S)
        return None

    async def _log_ranges(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> dict[TopicPartition, tuple[int, int]]:
        for _ in range(_SHORT_ATTEMPTS):
            ranges = await self._consumer.log_ranges(list(committed))
            if all((entry.offset or 0) <= ranges[tp][1] for tp, entry in committed.items()):
                break
            await asyncio.sleep(_SETTLE_S)
        return ranges

    def _begin(self, tp: TopicPartition, committed: int | None, first: int, end: int) -> int:
        if committed is None:
            return first if self._start_at == "earliest" else end
        if committed > end:
            raise SourceTopicError(
                f"{tp.topic} partition {tp.partition} ends at offset {end}, but was read up to {committed}: it was "
                f"rolled back. {self._cure(tp)}"
            )
        if committed < first:
            self._notify(
                f"{tp.topic} partition {tp.partition}: {first - committed:,} records (offsets {committed} to "
                f"{first - 1}) expired before they were read; keep them for longer (retention.ms, retention.bytes of "
                "the topic) or ingest by more processes"
            )
        return max(committed, first)

    def _cure(self, tp: TopicPartition) -> str:
        return (
            "Restore it; or, where it was meant to be, stop all processes that ingest and set where they begin: "
            f"kafka-consumer-groups.sh --bootstrap-server {self._kafka.bootstrap_servers} --group "
            f"{self._offsets.group_id} --topic {tp.topic} --reset-offsets --to-earliest --execute"
        )

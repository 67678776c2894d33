"""The topic of releases as its trainer has it: read once, then written, one transaction for each release."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import ProducerFenced
from aiokafka.structs import TopicPartition

from streams.errors import ReleaseError, TrainerFencedError, TransactionFailed
from streams.kafka.client.metadata import TopicMetadataClient
from streams.kafka.closing import close_all
from streams.kafka.topics import ensure_topics
from streams.kafka.transaction import TransactionWriter
from streams.releases.chunks import chunk_bytes
from streams.releases.follower import ReleaseFollower
from streams.releases.release import ChangelogPosition, Release
from streams.releases.release_records import ReleaseRecords
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

PURPOSE: Final = "trainer"
"""Of the transactional id, which is the same in all trainers of a group: the newest fences the others."""
_TRANSACTION_TIMEOUT_MS: Final = 120_000  # of a release that holds a large model


@dataclass(frozen=True, slots=True)
class WrittenRelease:
    """A release that is committed."""

    number: int
    records: int
    size: int  # bytes of its keys and values


class ReleaseTopic:
    """One term of a trainer: `open` once, then `write`. After any error it is to be stopped, and another one opened."""

    def __init__(self, settings: Settings) -> None:
        kafka, self._name = settings.kafka, settings.topics.model_releases
        self._settings = settings
        self._writer = TransactionWriter(kafka, _TRANSACTION_TIMEOUT_MS, PURPOSE)
        self._follower = ReleaseFollower(kafka, self._name)
        self._client = TopicMetadataClient(kafka)
        self._records = ReleaseRecords(self._writer.transactional_id, chunk_bytes(kafka.max_record_bytes))
        self._topic_id = ""
        self._end = 0  # offset after the last release
        self._is_incomplete = True  # the topic lacks parts of the model, as far as is known

    async def open(self) -> Release | None:
        """The newest complete model, None where there is none. From here on no earlier trainer can write.

        Raises ReleaseError where the topic holds a model that is not complete, or that of another group; KafkaError.
        """
        await self._writer.start()
        self._topic_id = await self._ensure()
        release = await self._follower.start()
        assembler, fault = self._follower.assembler, self._follower.fault
        if release is None and fault is not None:
            raise ReleaseError(
                f"{self._name} holds no complete model ({fault}). Restore the topic; or delete it, and the model is "
                "learnt anew from the rows that the changelog holds"
            )
        if release is not None and release.writer != self._writer.transactional_id:
            raise ReleaseError(
                f"{self._name} holds the releases of {release.writer}, this trainer is "
                f"{self._writer.transactional_id}: give each kafka.group_id a topic of its own, "
                "--set topics.model_releases=NAME"
            )
        self._records.resume(assembler.inventory, assembler.manifest_chunks, assembler.number)
        self._is_incomplete = release is None or fault is not None
        return release

    async def stop(self) -> None:
        """Closes all clients; a transaction that failed stays open until the next trainer opens the topic."""
        await close_all(self._writer.stop, self._follower.stop, self._client.stop)

    async def needs_all_parts(self) -> bool:
        """Whether the next release must hold the whole model: nobody could make one of the topic otherwise.

        To be asked before each release. A topic that was deleted is created again. Raises KafkaError without a broker.
        """
        await self._follower.drain()
        topic = (await self._client.describe([self._name])).get(self._name)
        if topic is None or topic.topic_id != self._topic_id:
            self._topic_id = await self._ensure() if topic is None else topic.topic_id
            log.warning("%s was deleted and created again: the next release holds the whole model", self._name)
            self._forget()
        return self._is_incomplete or self._follower.fault is not None

    async def write(
        self, parts: Mapping[str, bytes | None], manifest: bytes, covered: ChangelogPosition, *, full: bool
    ) -> WrittenRelease:
        """Commits a release: the parts that changed, None for one that the model has no more.

        `full`: they are the whole model. The manifest is JSON; `covered` says what the model has learnt. Raises
        TrainerFencedError where another trainer has opened the topic, TransactionFailed where it may be committed or
        not, ValueError for a part or manifest that cannot be written.
        """
        # In a thread: hashing a large model takes longer than a heartbeat may wait.
        records = await asyncio.to_thread(self._records.of, parts, manifest, covered, full)
        tp = TopicPartition(self._name, 0)
        try:
            end = (await self._writer.write({tp: records}))[tp]
        except TransactionFailed as error:
            if isinstance(error.__cause__, ProducerFenced):
                raise TrainerFencedError(
                    f"another trainer of the group {self._settings.kafka.group_id} has taken over, and this one can "
                    f"write no more to {self._name}: start it again to have it stand by"
                ) from error
            raise
        self._is_incomplete = not full and end - len(records) < self._end
        if self._is_incomplete:  # deleted and created again since it was last looked at
            self._forget()
        self._end = end
        size = sum(len(record.key or b"") + len(record.value or b"") for record in records)
        return WrittenRelease(self._records.number, len(records), size)

    def _forget(self) -> None:
        """The topic is empty, or holds one release that is of no use."""
        self._records.forget()
        self._end, self._is_incomplete = 0, True

    async def _ensure(self) -> str:
        """The topic exists; its id."""
        await ensure_topics(self._settings, [self._name])
        return (await self._client.describe([self._name]))[self._name].topic_id

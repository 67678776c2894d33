"""Watch over the worker's topics while it runs: partitions that are added, topics that are deleted and created again.

A worker notices neither by reading: records of a new partition have no changelog to go to, and a new topic's offsets
look like those of the old one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiokafka.errors import KafkaError

from streams.errors import ChangelogError, SourceTopicError, TopicError
from streams.kafka.client.metadata import TopicMetadataClient
from streams.kafka.topic_specs import topic_specs
from streams.kafka.topics import partition_fault
from streams.settings.settings import Settings
from streams.worker.partitions.changelog import CHANGELOG_CURE
from streams.worker.partitions.offset_gaps import RESET_CURE

log = logging.getLogger(__name__)

_INTERVAL_S = 3.0
_ABSENT_CHECKS = 2  # a broker that has just started may not know all topics yet


class TopicWatch:
    """Asks for the topics' ids and partitions every few seconds; what ends the worker goes to `on_error`."""

    def __init__(self, settings: Settings, on_error: Callable[[BaseException], object]) -> None:
        self._settings = settings
        self._on_error = on_error
        self._specs = {spec.name: spec for spec in topic_specs(settings)}
        self._client = TopicMetadataClient(settings.kafka)
        self._ids: dict[str, str] = {}
        self._absences: dict[str, int] = {}  # checks in a row that did not find a topic
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to ask."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends it."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._client.stop()

    async def _watch(self) -> None:
        while True:
            try:
                await self.check()
            except (KafkaError, TimeoutError) as error:
                log.debug("the topics' metadata are not known: %r", error)
            except Exception as error:
                self._on_error(error)
                return
            await asyncio.sleep(_INTERVAL_S)

    async def check(self) -> None:
        """Raises TopicError, SourceTopicError or ChangelogError where a topic is no longer what it was at the start.

        A topic that does not exist is a warning: the next one of that name has another id.
        """
        topics = await self._client.describe(list(self._specs))
        self._absences = {name: self._absences.get(name, 0) + 1 for name in self._ids.keys() - topics.keys()}
        if deleted := [name for name, checks in self._absences.items() if checks == _ABSENT_CHECKS]:
            log.warning("%s does not exist any more: was it deleted?", ", ".join(sorted(deleted)))
        for name, metadata in topics.items():
            if metadata.topic_id != self._ids.setdefault(name, metadata.topic_id):
                self._recreated(name)
        faults = (
            partition_fault(self._specs[name], topic.partitions, self._settings) for name, topic in topics.items()
        )
        if lines := [fault for fault in faults if fault is not None]:
            raise TopicError("\n".join(lines))

    def _recreated(self, name: str) -> None:
        if name == self._settings.topics.user_events:
            raise SourceTopicError(f"{name} was deleted and created again while this worker read it. {RESET_CURE}")
        if name == self._settings.changelog_topic:
            raise ChangelogError(
                f"{name} was deleted and created again while this worker wrote to it. {CHANGELOG_CURE}"
            )
        log.warning("%s was deleted and created again", name)

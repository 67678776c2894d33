"""Watch over the topics while they are ingested: what the loop would not notice, or would wait for without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

from streams.ingest.source_topics import SourceTopics, ingest_rights
from streams.kafka.client.access import raise_permanent
from streams.settings.settings import Settings

_INTERVAL_S: Final = 5.0


class SourceWatch:
    """Asks for the topics every few seconds; `notify` gets a line when no broker answers, and when one does again."""

    def __init__(self, settings: Settings, topics: SourceTopics, notify: Callable[[str], None]) -> None:
        self._settings = settings
        self._topics = topics
        self._notify = notify
        self._away = False

    async def run(self) -> None:
        """Never returns. Raises TopicError, SourceTopicError or KafkaAccessError where ingesting cannot go on."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                await self._topics.check()
            except (KafkaError, TimeoutError) as error:
                # Where a right was taken away, a group without partitions would wait for ever.
                await raise_permanent(self._settings.kafka, error, ingest_rights(self._settings, self._topics.sources))
                if not self._away:
                    servers = self._settings.kafka.bootstrap_servers
                    self._notify(f"no broker answers at {servers}: waiting, nothing is lost")
                self._away = True
            else:
                if self._away:
                    self._notify("the broker answers again")
                self._away = False

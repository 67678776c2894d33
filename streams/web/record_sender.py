"""Sender of records: a producer of one topic that is opened by the first request that needs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from streams.errors import StreamError
from streams.kafka.closing import close_all
from streams.kafka.publisher import Publisher, RecordError
from streams.schema.event_encoder import canonical_headers
from streams.settings.settings import Settings
from streams.web.http.problems import Problem

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 15.0
_OF_EVENTS: Final = "it is not known which of the events are written; one that is sent again may count twice"
_OF_DECISIONS: Final = "the decision may not be in its topic; ask again"


class RecordSender:
    """Sends records keyed by user. `send` may be called from many tasks of one loop at once."""

    def __init__(
        self, settings: Settings, topic: str, headers: Sequence[tuple[str, bytes]], unknown_outcome: str
    ) -> None:
        self.topic = topic
        self._kafka = settings.kafka
        self._headers = headers
        self._unknown_outcome = unknown_outcome
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._publisher: Publisher | None = None

    async def send(self, records: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int] | RecordError]:
        """Partition and offset of each record (key, value), or why it was refused.

        Raises Problem where Kafka does not answer: it is not known then which of them are written.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await (await self._opened()).send_each(records, self._headers)
        except TimeoutError as error:
            raise self._unavailable("Kafka has not acknowledged") from error
        except StreamError as error:
            raise self._unavailable(str(error)) from error
        except RecordError as error:  # of opening the producer; a record that is refused is in the answer
            raise self._unavailable(
                f"Kafka at {self._kafka.bootstrap_servers} does not answer ({type(error).__name__})"
            ) from error

    async def stop(self) -> None:
        """Closes the producer."""
        await close_all(self._stack.aclose)

    async def _opened(self) -> Publisher:
        async with self._opening:
            if self._publisher is None:
                self._publisher = await self._stack.enter_async_context(Publisher(self._kafka, self.topic))
            return self._publisher

    def _unavailable(self, reason: str) -> Problem:
        log.warning("records cannot be sent to %s: %s", self.topic, reason)
        return Problem(503, f"{reason}: {self._unknown_outcome}", {"Retry-After": "5"})


def event_sender(settings: Settings) -> RecordSender:
    """Of events."""
    return RecordSender(settings, settings.topics.user_events, canonical_headers(settings.events), _OF_EVENTS)


def decision_sender(settings: Settings) -> RecordSender:
    """Of decisions."""
    return RecordSender(settings, settings.topics.interest_decisions, (), _OF_DECISIONS)

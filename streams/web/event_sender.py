"""Sender of events: a producer of `user-events` that is opened by the first request that needs it."""

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


class EventSender:
    """Sends records keyed by user. `send` may be called from many tasks of one loop at once."""

    def __init__(self, settings: Settings) -> None:
        self.topic = settings.topics.user_events
        self._kafka = settings.kafka
        self._headers = canonical_headers(settings.events)
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
            raise _unavailable("Kafka has not acknowledged") from error
        except StreamError as error:
            raise _unavailable(str(error)) from error

    async def stop(self) -> None:
        """Closes the producer."""
        await close_all(self._stack.aclose)

    async def _opened(self) -> Publisher:
        async with self._opening:
            if self._publisher is None:
                self._publisher = await self._stack.enter_async_context(Publisher(self._kafka, self.topic))
            return self._publisher


def _unavailable(reason: str) -> Problem:
    log.warning("events cannot be sent: %s", reason)
    detail = f"{reason}: it is not known which of the events are written; one that is sent again may count twice"
    return Problem(503, detail, {"Retry-After": "5"})

"""Closing clients where no broker may be there any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)


async def close_all(*stops: Callable[[], Awaitable[None]]) -> None:
    """Awaits each in order, whatever becomes of the ones before it.

    Without a broker aiokafka cannot close in order, and raises the cancellation of its own tasks.
    """
    task = asyncio.current_task()
    for stop in stops:
        try:
            await stop()
        except KafkaError as error:
            log.debug("closing was incomplete: %r", error)
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
            log.debug("closing was incomplete: a task of the client was cancelled")

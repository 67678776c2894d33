"""A Faust consumer with its thread, on a real broker, without the rest of a Faust worker around it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import faust
from faust.transport.consumer import Fetcher
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP

from tests.contracts.cluster import until

Deliver = Callable[[Any], Awaitable[None]]


async def nothing(*_: object) -> None:
    pass


@asynccontextmanager
async def faust_consumer(
    app: faust.App,
    topic: str,
    consumer_class: type[Consumer] = Consumer,
    deliver: Deliver = nothing,
    on_revoked: Callable[..., Awaitable[None]] = nothing,
    on_assigned: Callable[..., Awaitable[None]] = nothing,
) -> AsyncIterator[Any]:
    """A started consumer that has its partitions; `deliver` takes what `drain` reads."""
    consumer: Any = consumer_class(Transport([app.conf.broker[0]], app), deliver, on_revoked, on_assigned)
    app.consumer = consumer
    await consumer.start()
    try:
        await consumer.subscribe([topic])
        await until(lambda: consumer._active_partitions)
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def drained(consumer: Any) -> AsyncIterator[None]:
    """Faust's own loop from the consumer to `deliver` runs inside."""
    fetcher: Any = Fetcher(consumer.app)
    loop = asyncio.ensure_future(consumer._drain_messages(fetcher))
    try:
        yield
    finally:
        fetcher._stopped.set()
        await asyncio.wait_for(loop, 120)


def partition(topic: str, number: int = 0) -> TP:
    return TP(topic, number)

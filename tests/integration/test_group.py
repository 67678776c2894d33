"""Several workers: joining, leaving, frozen and woken up again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import pytest

from tests.integration.deployment import Deploy, Deployment, event
from tests.integration.faults import strike

PRODUCER = "streams.fencing:FencedProducer"


@asynccontextmanager
async def load(site: Deployment) -> AsyncIterator[None]:
    """Some thousand events a second for as long as the block takes."""
    stop = asyncio.Event()

    async def feed() -> None:
        async with site.producer(enable_idempotence=True) as producer:
            for begin in count(0, 100):
                if stop.is_set():
                    return
                await site.send_by(producer, (event(n) for n in range(begin, begin + 100)))
                await asyncio.sleep(0.05)

    feeding = asyncio.create_task(feed())
    try:
        yield
    finally:
        stop.set()
        await feeding


async def more(site: Deployment, events: int = 500) -> None:
    """So many more events are taken into account."""
    await site.applied(sum((await site.progress()).values()) + events)


async def test_workers_join_and_leave_under_load(deploy: Deploy) -> None:
    site = await deploy()
    first = site.worker("a")
    await first.owns()
    async with load(site):
        await more(site)
        second = site.worker("b")
        await second.owns()
        await more(site)
        await second.stop()
        await more(site)
        third = site.worker("c")
        await third.owns()
        await first.stop()
        await more(site)
        third.kill()
        again = site.worker("a")
        await again.owns()
        await more(site)
    await site.finish(again)
    await site.check(stopped=["a"])


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(f"{PRODUCER}.begin_transaction", id="before-begin"),
        pytest.param(f"{PRODUCER}.send_offsets", id="records-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", id="offsets-sent"),
        pytest.param("state.store:PartitionStore.put_many", id="committed"),
    ],
)
async def test_frozen_worker_wakes_up_after_its_partitions_were_taken(deploy: Deploy, method: str) -> None:
    site = await deploy()
    sleeper = site.worker("a", fault=partial(strike, method, 4, signal.SIGSTOP))
    await sleeper.owns()
    async with load(site):
        await sleeper.wait_frozen()
        heir = site.worker("b")
        await heir.owns()
        await more(site)
        sleeper.send(signal.SIGCONT)
        await sleeper.wait_for("own partitions", times=2)
        await more(site)
        await sleeper.stop()
        await more(site)
    await site.finish(heir)
    await site.check(stopped=["b"])

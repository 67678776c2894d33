"""Several workers: joining, leaving, frozen and woken up again."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from tests.integration.deployment import Deploy
from tests.integration.faults import signal_at

PRODUCER = "streams.kafka.fenced_producer:FencedProducer"


@pytest.mark.slow
async def test_workers_join_and_leave_under_load(deploy: Deploy) -> None:
    site = await deploy()
    first = site.worker("a")
    await first.owns()
    async with site.load():
        await site.more()
        second = site.worker("b")
        await second.owns()
        await site.more()
        await second.stop()
        await site.more()
        third = site.worker("c")
        await third.owns()
        await first.stop()
        await site.more()
        third.kill()
        again = site.worker("a")
        await again.owns()
        await site.more()
    await site.finish(again)
    await site.check(stopped=["a"])


@pytest.mark.slow
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
    sleeper = site.worker("a", fault=partial(signal_at, method, 4, signal.SIGSTOP))
    await sleeper.owns()
    async with site.load():
        await sleeper.wait_frozen()
        heir = site.worker("b")
        await heir.owns()
        await site.more()
        sleeper.send(signal.SIGCONT)
        await sleeper.wait_for("own partitions", times=2)
        await site.more()
        await sleeper.stop()
        await site.more()
    await site.finish(heir)
    await site.check(stopped=["b"])

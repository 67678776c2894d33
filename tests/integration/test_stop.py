"""Signals: a worker leaves within seconds, whatever it is doing, and the next one goes on where it was."""

from __future__ import annotations

import signal

import pytest

from streams.process import STOP_DEADLINE_S
from tests.integration.deployment import Deploy, Deployment


async def test_under_load(deploy: Deploy) -> None:
    site = await deploy()
    async with site.load():
        for _ in range(3):
            worker = site.worker()
            await site.more()
            assert await worker.stop() < STOP_DEADLINE_S / 2
    await site.finish(site.worker())
    await site.check(stopped=["a"])


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
async def test_before_the_broker_is_there(site: Deployment, which: signal.Signals) -> None:
    worker = site.worker()
    await worker.wait_for(f"waiting for a Kafka broker at {site.servers} (kafka.bootstrap_servers)")
    assert await worker.stop(which) < STOP_DEADLINE_S / 2

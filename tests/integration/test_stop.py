"""Signals: a worker leaves within seconds, whatever it is doing, and the next one goes on where it was."""

from __future__ import annotations

import signal

import pytest

from streams.worker.process.launcher import WorkerProcess
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.worker import poll


async def test_the_command_until_ctrl_c(deploy: Deploy) -> None:
    site = await deploy()
    worker = WorkerProcess(site.overrides("a"), site.folder / "worker.log")
    worker.start()
    try:
        await worker.wait_ready()
        await site.send(round_robin_event(n) for n in range(500))
        await site.applied()
        worker.send_signal(signal.SIGINT)
        await poll(lambda: worker.exit_code is not None, "the worker has ended")
        assert worker.exit_code == 0, worker.log_tail()
    finally:
        worker.stop()
    await site.check(stopped=["a"])


@pytest.mark.slow
async def test_under_load(deploy: Deploy) -> None:
    site = await deploy()
    async with site.load():
        for _ in range(3):
            worker = site.worker()
            await site.more()
            await worker.stop()
    await site.finish(site.worker())
    await site.check(stopped=["a"])


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
async def test_before_the_broker_is_there(site: Deployment, which: signal.Signals) -> None:
    worker = site.worker()
    await worker.wait_for(f"waiting for a Kafka broker at {site.servers} (kafka.bootstrap_servers)")
    await worker.stop(which)


@pytest.mark.parametrize("line", ["items are known", "Waiting for agents to start", "Seek stream partitions"])
async def test_while_it_starts(deploy: Deploy, line: str) -> None:
    site = await deploy()
    worker = site.worker()
    await worker.wait_for(line)
    await worker.stop()

"""A broker that comes late, dies and comes back."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from streams.local_kafka.cluster import LocalKafka
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.faults import stop_after


async def test_workers_wait_for_the_broker_and_leave_without_it(own_kafka: LocalKafka, site: Deployment) -> None:
    worker = site.worker(fault=partial(stop_after, 3.0))
    await worker.wait_for(f"waiting for a Kafka broker at {site.servers} (kafka.bootstrap_servers)")
    own_kafka.start()
    await worker.owns()
    await site.send(round_robin_event(n) for n in range(1000))
    await site.applied()

    node = own_kafka.nodes[0]
    async with site.load():
        await site.more()
        node.kill()
        node.start()
        await site.more()
    await site.applied()

    other = site.worker("b", fault=partial(stop_after, 3.0))
    await other.owns()
    node.kill()
    logged = len(worker.text())
    await asyncio.gather(worker.stop(signal.SIGTERM, in_order=False), other.stop(signal.SIGINT, in_order=False))
    assert len(worker.text()) - logged < 20_000
    node.start()
    await site.send(round_robin_event(n) for n in range(1000))
    await site.finish(site.worker())
    await site.check(stopped=["a"])

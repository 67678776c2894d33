"""A broker that comes late, dies and comes back, and forgets what was idle."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from streams.local_kafka.cluster import LocalKafka
from tests.integration.deployment import Deployment, round_robin_event
from tests.integration.faults import stop_after
from tests.integration.ingesting import IngestSite
from tests.integration.training import TrainingSite
from tests.integration.web_site import WebSite, ready, until
from tests.integration.worker import DEADLINE_S, Command, Worker, killed_at_end

pytestmark = pytest.mark.slow

_EXPIRATION_S = 5  # longer than a busy machine takes to start over
_EXPIRY = {
    "transactional.id.expiration.ms": str(1000 * _EXPIRATION_S),
    "transaction.remove.expired.transaction.cleanup.interval.ms": "200",
}


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A Kafka that soon forgets a transactional id that writes nothing, as others do after a week."""
    kafka = LocalKafka(tmp_path / "kafka", settings=_EXPIRY)
    yield kafka
    kafka.stop()


@pytest.fixture
async def web(site: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an HTTP server beside the workers."""
    async with WebSite.of(site).serve(is_ready=False) as client:
        yield client


def alarms(worker: Worker) -> list[str]:
    """The lines of its log that an operator would look into."""
    words = ("WARNING", "ERROR", "CRITICAL", "Traceback")
    return [line for line in worker.text().splitlines() if any(word in line for word in words)]


async def test_workers_and_an_http_server_wait_for_the_broker_and_leave_without_it(
    own_kafka: LocalKafka, site: Deployment, web: httpx.AsyncClient
) -> None:
    worker = site.worker(fault=partial(stop_after, 3.0))
    await worker.wait_for(f"waiting for a Kafka broker at {site.servers} (kafka.bootstrap_servers)")
    assert (await web.get("/health/ready")).status_code == 503
    assert (await web.get("/health/live")).status_code == 200
    own_kafka.start()
    await worker.owns()
    await site.send(round_robin_event(n) for n in range(1000))
    await site.applied()
    await until(web, "/v1/users/u0/interests", "state_version", 11)
    await ready(web)

    async with asyncio.timeout(DEADLINE_S):
        while "the step's transaction failed ([Error 49] InvalidProducerIdMapping): starting over" not in worker.text():
            await asyncio.sleep(_EXPIRATION_S + 1)
            await site.send(round_robin_event(n) for n in range(100))
            await site.applied()

    node = own_kafka.nodes[0]
    async with site.load():
        await site.more()
        node.kill()
        node.start()
        await site.more()
    await site.applied()

    owned = worker.text().count("own partitions [")  # a broker that is back at once lets the open transaction go on
    other = site.worker("b", fault=partial(stop_after, 3.0))
    await other.owns()
    await worker.wait_for("own partitions [", times=owned + 1)  # beside the other
    assert alarms(worker) == alarms(other) == []

    node.kill()
    logged = len(worker.text())
    await asyncio.gather(worker.leave(signal.SIGTERM), other.leave(signal.SIGINT))
    assert len(worker.text()) - logged < 20_000
    shown = (await web.get("/v1/users/u0/interests")).json()
    assert shown["state_version"] > 11
    await until(web, "/health/ready", "status", 503)
    node.start()
    await ready(web)
    assert (await web.get("/v1/users/u0/interests")).json()["state_version"] >= shown["state_version"]
    await site.send(round_robin_event(n) for n in range(1000))
    await site.finish(site.worker())
    await site.check(stopped=["a"])


async def test_ingest_and_a_trainer_go_on_once_the_broker_is_back_and_ingest_ends_without_it(
    own_kafka: LocalKafka, site: Deployment, prefix: str, tmp_path: Path
) -> None:
    own_kafka.start()
    await site.create()
    processes: list[Command] = []
    training = TrainingSite(own_kafka.bootstrap_servers, f"{prefix}-training", tmp_path)
    with killed_at_end(processes), killed_at_end(training.trainers):
        ingest = await IngestSite(site, processes).create()
        running = ingest.start(fault=partial(stop_after, 3.0))
        await training.create()
        trainer = training.trainer()
        await training.write_steps(10)
        await training.check()
        await ingest.send(range(500))
        await ingest.reached(500)
        node = own_kafka.nodes[0]
        node.kill()
        await running.wait_for(f"no broker answers at {site.servers}: waiting")
        await trainer.wait_for("training begins again at the last release")
        node.start()
        await ingest.send(range(500, 1000))
        await ingest.reached(2000)
        await running.wait_for("the broker answers again")
        await training.write_steps(10)
        await training.check()
        await trainer.stop()

        node.kill()
        running.send(signal.SIGTERM)
        assert await running.ended() == 0, running.text()
        node.start()
        await ingest.send(range(1000, 1100))
        await ingest.finish()
        await ingest.check()

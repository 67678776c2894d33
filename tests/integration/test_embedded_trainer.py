"""Trainers that workers run as child processes, and the counts of the model whatever is killed."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from itertools import count

import orjson
import psutil
import pytest

from models.releases.manifest import Manifest
from models.releases.release import Release as ModelParts
from streams.kafka.reader import read_topic
from streams.monitoring.probe import ask
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.scraping import free_port, sample, scrape
from tests.integration.worker import Worker, poll


def child_of(worker: Worker) -> psutil.Process:
    """The trainer that it runs."""
    (child,) = (child for child in psutil.Process(worker.pid).children() if "trainer" in child.cmdline())
    return child


def goes_on(worker: Worker) -> bool:
    """Whether it has run a trainer that began with a release."""
    return "training goes on from release" in worker.text()


async def gone(process: psutil.Process) -> None:
    await poll(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, f"{process} has ended")


async def counts_of_items(site: Deployment) -> Counter[str]:
    """Events of each item that the model has counted, once a release has all that is committed."""
    release = await site.released()
    parts = ModelParts.of(release.parts, Manifest.decode(release.manifest))
    ever = parts.counts["popularity.counts"][:, -1]
    ids = [
        (record.key or b"").decode()
        async for record in read_topic(site.settings.kafka, site.settings.topics.item_index)
    ]
    items = list(dict.fromkeys(ids))
    return Counter({items[item - 1]: round(float(n)) for item, n in zip(parts.counted, ever, strict=True) if n})


@pytest.mark.slow
async def test_one_of_two_workers_runs_the_trainer_which_ends_with_it_and_is_replaced(deploy: Deploy) -> None:
    with free_port() as port:
        await _replace_twice(await deploy("trainer.mode=embedded", f"monitoring.trainer_port={port}"), port)


async def _replace_twice(site: Deployment, port: int) -> None:
    """`port` is that of the metrics of whoever trains."""
    first = site.worker("a")
    await first.wait_for("training begins")
    second = site.worker("b")
    await second.owns()
    await site.send(round_robin_event(n) for n in range(200))
    await site.applied()
    await site.released()
    assert ask(port, "live").ok
    assert ask(port, "ready") == (True, "training")
    samples = scrape(port)
    assert samples[sample("interest_trainer_elected")] == 1
    assert samples[sample("interest_trainer_counted_events_total")] == 200
    assert samples[sample("interest_written_releases_total")] >= 1
    killed = child_of(first)
    killed.kill()
    await first.wait_for("the trainer has ended with code -9")
    # As a rule a child of the first worker again: on a busy machine a rebalance may have elected the second.
    await poll(lambda: goes_on(first) or goes_on(second), f"a trainer goes on\n{first.text()}\n{second.text()}")
    parent, other = (first, second) if goes_on(first) else (second, first)
    await site.send(round_robin_event(n) for n in range(200, 400))
    await site.released()
    assert not goes_on(other)
    orphan = child_of(parent)
    parent.kill()
    await gone(orphan)
    await other.wait_for("training goes on from release")
    await site.send(round_robin_event(n) for n in range(400, 600))
    await site.applied()
    await site.released()
    heir = child_of(other)
    await other.stop()
    await gone(heir)
    await site.check(stopped=["b" if other is second else "a"])


@pytest.mark.slow
async def test_the_model_counts_each_event_once_while_workers_and_trainers_are_killed(deploy: Deploy) -> None:
    # Every event counts fully, and a step has no more of a user than the row holds.
    full = ("learning.max_repeats=0", "learning.min_window_s=0", "model.history_length=50")
    site = await deploy(*full, "trainer.release_interval_s=0.2")
    site.trainer()
    stop = asyncio.Event()

    async def send() -> None:
        async with site.producer(enable_idempotence=True) as producer:
            for begin in count(0, 50):
                if stop.is_set():
                    return
                await site.send_by(producer, (round_robin_event(n) for n in range(begin, begin + 50)))
                await asyncio.sleep(0.25)

    workers = [site.worker("a"), site.worker("b")]
    for worker in workers:
        await worker.owns()
    sending = asyncio.create_task(send())
    for number in range(3):
        await site.more(150)
        site.trainers[-1].kill()
        site.trainer()
        await site.more(150)
        workers[number % 2].kill()
        workers[number % 2] = site.worker("ab"[number % 2])
    stop.set()
    await sending
    await site.applied()
    events = read_topic(site.settings.kafka, site.settings.topics.user_events)
    expected = Counter([orjson.loads(record.value or b"")["item_id"] async for record in events])
    assert await counts_of_items(site) == expected
    for worker in workers:
        await worker.stop()
    await site.trainers[-1].stop(signal.SIGTERM)
    await site.check()

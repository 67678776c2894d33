"""Killed workers and their successors."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from functools import partial

import orjson
import pytest

from state.table import partition_folder
from tests.inputs import Input
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.faults import signal_at

EVENTS = 20_000
PRODUCER = "streams.kafka.fenced_producer:FencedProducer"


@pytest.mark.parametrize(
    ("method", "number", "after"),
    [
        pytest.param(f"{PRODUCER}.begin_transaction", 2, False, id="before-begin"),
        pytest.param(f"{PRODUCER}.send_offsets", 2, False, id="records-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", 2, False, id="offsets-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", 2, True, id="committed"),
        pytest.param("state.store:PartitionStore.put_many", 5, True, id="amid-rocksdb"),
    ],
)
async def test_events_of_a_worker_killed_in_a_transaction_count_once(
    deploy: Deploy, method: str, number: int, after: bool
) -> None:
    site = await deploy()
    victim = site.worker(fault=partial(signal_at, method, number, signal.SIGKILL, after))
    await victim.owns()
    sent = 0
    while victim.exit_code is None and sent < EVENTS:
        await site.send(round_robin_event(n) for n in range(sent, sent + 100))
        sent += 100
    assert await victim.ended() == -signal.SIGKILL
    successor = site.worker()
    await site.finish(successor)
    await site.check(stopped=["a"])


@pytest.mark.parametrize(
    ("method", "after"),
    [
        pytest.param(f"{PRODUCER}.send_offsets", False, id="records-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", True, id="committed"),
    ],
)
async def test_a_record_of_several_events_counts_once_after_a_kill(deploy: Deploy, method: str, after: bool) -> None:
    def several(number: int) -> Input:
        """Three events of a user; of every tenth record the second one cannot be used."""
        user = f"u{number % 31}"
        clicks = [
            {"user_id": user, "event_type": "click", "item_id": f"i{item}", "timestamp": 1731900000000 + number}
            for item in range(3)
        ]
        if number % 10 == 0:
            del clicks[1]["item_id"]
        return user.encode(), orjson.dumps(clicks)

    site = await deploy()
    victim = site.worker(fault=partial(signal_at, method, 2, signal.SIGKILL, after))
    await victim.owns()
    sent = 0
    while victim.exit_code is None and sent < EVENTS:
        await site.send(several(number) for number in range(sent, sent + 50))
        sent += 50
    assert await victim.ended() == -signal.SIGKILL
    await site.finish(site.worker())
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == sent * 3 - sent // 10
    assert len([record async for record in site.read(site.settings.topics.user_events_dlq)]) == sent // 10


@pytest.mark.slow
async def test_repeated_kills_lead_to_the_rows_of_an_undisturbed_worker(deploy: Deploy) -> None:
    calm, site = await deploy(), await deploy("worker.step_max_events=1000")
    undisturbed = calm.worker()
    await calm.send(round_robin_event(n) for n in range(EVENTS))
    await calm.finish(undisturbed)

    chance = random.Random(7)
    feeding = asyncio.create_task(_feed(site))
    worker = site.worker()
    for kill, target in enumerate(sorted(chance.randrange(1, EVENTS // 2) for _ in range(3))):
        await site.applied(target)
        await asyncio.sleep(chance.uniform(0, 0.1))  # at any point of a step
        worker.kill()
        assert sum((await site.progress()).values()) < EVENTS
        if kill == 1:
            shutil.rmtree(site.data_dir())
        worker = site.worker()
    await feeding
    await site.finish(worker)

    rows = await site.check(stopped=["a"])
    assert rows == await calm.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == EVENTS


async def _feed(site: Deployment) -> None:
    """20 000 events within some seconds, so that there is a middle to be killed in."""
    async with site.producer(enable_idempotence=True) as producer:
        for begin in range(0, EVENTS, 250):
            await site.send_by(producer, (round_robin_event(n) for n in range(begin, begin + 250)))
            await asyncio.sleep(0.05)


async def test_rows_are_restored_from_the_changelog(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(3000))
    await site.finish(worker)
    shutil.rmtree(site.data_dir())

    worker = site.worker()
    await worker.wait_for("restored")
    await site.send(round_robin_event(n) for n in range(3000, 4000))
    await site.finish(worker)
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == 4000


async def test_damaged_rows_are_set_aside_and_restored_from_the_changelog(deploy: Deploy) -> None:
    site = await deploy()
    await site.send(round_robin_event(n) for n in range(1000))
    await site.finish(site.worker())
    store = partition_folder(site.data_dir() / "users", 1)
    (store / "CURRENT").unlink()

    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(1000, 2000))
    await site.finish(worker)
    await site.check(stopped=["a"])
    (aside,) = store.parent.glob("partition-1.corrupt-*")
    assert f"damaged rows are set aside in {aside} " in worker.text()

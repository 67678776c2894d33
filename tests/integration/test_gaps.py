"""Deliveries that are lost, repeated, or have offset gaps."""

from __future__ import annotations

from functools import partial

from tests.integration.deployment import Deploy, round_robin_event
from tests.integration.faults import lose_a_fetch, repeat_a_fetch


async def test_records_that_were_not_delivered_are_fetched_again(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1")
    worker = site.worker(fault=partial(lose_a_fetch, 1))
    await worker.owns()
    await site.send(round_robin_event(n) for n in range(300))
    await worker.wait_for("delivered 0 times")
    await site.send(round_robin_event(n) for n in range(300, 600))
    await site.finish(worker)
    assert "were not delivered: rewinding" in worker.text()
    await site.check(stopped=["a"])


async def test_records_delivered_twice_count_once(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1")
    worker = site.worker(fault=partial(repeat_a_fetch, 1))
    await worker.owns()
    for begin in (0, 300):
        await site.send(round_robin_event(n) for n in range(begin, begin + 300))
        await site.applied()
    await worker.wait_for("delivered 2 times")
    await site.finish(worker)
    await site.check(stopped=["a"])


async def test_commit_markers_and_aborted_events_are_offset_gaps(deploy: Deploy, prefix: str) -> None:
    site = await deploy()
    worker = site.worker()
    number = 0
    async with site.producer(transactional_id=prefix) as producer:
        for kept in (True, False, True, False, False, True) * 5:
            await producer.begin_transaction()
            if kept:
                await site.send_by(producer, (round_robin_event(n) for n in range(number, number + 40)))
                number += 40
                await producer.commit_transaction()
            else:
                await site.send_by(producer, (round_robin_event(n) for n in range(90_000, 90_020)))
                await producer.abort_transaction()
    await site.send(round_robin_event(n) for n in range(number, number + 40))
    await site.finish(worker)
    assert "rewinding" not in worker.text()
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == number + 40

"""The oracle can fail: with one rule of the write path broken, it says what went wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial

import pytest

from tests.inputs import event
from tests.integration.deployment import Deploy, round_robin_event
from tests.integration.faults import (
    combine,
    lose_a_fetch,
    open_without_waiting,
    repeat_a_fetch,
    send_no_generation,
    signal_at,
    store_before_commit,
    trust_the_delivery,
)

PRODUCER = "streams.kafka.fenced_producer:FencedProducer"


async def test_trusting_the_delivery_loses_events(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1")
    worker = site.worker(fault=partial(combine, trust_the_delivery, partial(lose_a_fetch, 1)))
    await worker.owns()
    await site.send(round_robin_event(n) for n in range(300))
    await worker.wait_for("delivered 0 times")
    await site.send(round_robin_event(n) for n in range(300, 600))
    await site.finish(worker)
    comparison = await site.compare()
    assert 0 < comparison.lost <= 300
    assert comparison.doubled == 0
    assert comparison.wrong_chain


async def test_trusting_the_delivery_counts_events_twice(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1")
    worker = site.worker(fault=partial(combine, trust_the_delivery, partial(repeat_a_fetch, 1)))
    await worker.owns()
    for begin in (0, 300):
        await site.send(round_robin_event(n) for n in range(begin, begin + 300))
        await site.applied()
    await site.finish(worker)
    comparison = await site.compare()
    assert 0 < comparison.doubled <= 300
    assert comparison.lost == 0
    assert any("predicted twice" in problem for problem in await site.prediction_problems(await site.expected()))


async def test_rocksdb_before_the_commit_loses_events(deploy: Deploy) -> None:
    site = await deploy()
    victim = site.worker(fault=partial(store_before_commit, 2))
    await victim.owns()
    sent = 0
    while victim.exit_code is None:  # each user once, so that no later row makes up for a lost one
        await site.send(event(f"u{n}", n) for n in range(sent, sent + 100))
        sent += 100
    assert await victim.ended() == -signal.SIGKILL
    await site.finish(site.worker())
    assert (await site.compare()).lost > 0


@pytest.mark.parametrize(
    ("rule", "method"),
    [
        pytest.param(send_no_generation, f"{PRODUCER}.begin_transaction", id="no-generation"),
        pytest.param(open_without_waiting, f"{PRODUCER}.commit_transaction", id="no-wait"),
    ],
)
async def test_zombies_predict_twice(deploy: Deploy, rule: Callable[[], None], method: str) -> None:
    site = await deploy()
    zombie = site.worker("a", fault=partial(combine, rule, partial(signal_at, method, 4, signal.SIGSTOP)))
    await zombie.owns()
    async with site.load():
        await zombie.wait_frozen()
    heir = site.worker("b", fault=rule)
    await heir.owns()
    if rule is not open_without_waiting:
        await site.applied()
    zombie.send(signal.SIGCONT)
    await zombie.wait_for("own partitions", times=2)
    await site.finish(heir)
    await zombie.stop()
    assert any("predicted twice" in problem for problem in await site.prediction_problems(await site.expected()))

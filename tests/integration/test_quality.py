"""Quality records of workers: they count committed transactions only, and continue after a restart."""

from __future__ import annotations

from functools import partial

from streams.schema.quality import WorkerQuality, decode_quality
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.faults import combine, fail_a_commit, write_quality_in_each_step


async def quality_records(site: Deployment) -> list[WorkerQuality]:
    records = [record async for record in site.read(site.settings.topics.interest_quality)]
    qualities = [decode_quality(record.value) for record in records]
    assert [record.key.decode() for record in records] == [quality.worker for quality in qualities]
    return qualities


async def send_in_parts(site: Deployment) -> None:
    """A thousand events, in ten steps or more."""
    for begin in range(0, 1000, 100):
        await site.send(round_robin_event(n) for n in range(begin, begin + 100))
        await site.applied()


async def test_the_last_record_counts_every_event_and_the_next_worker_continues(deploy: Deploy) -> None:
    site = await deploy()
    site.trainer()
    for _ in range(2):
        worker = site.worker()
        await send_in_parts(site)
        await site.released()
        await site.finish(worker)
    qualities = await quality_records(site)
    first, second = ({quality.worker: quality for quality in qualities}).values()
    assert first.events == second.events == 1000
    assert 250 <= first.scored == first.window < 1000
    assert first.possible < first.window
    assert second.possible == second.window  # all items are known from the releases
    assert second.log_loss is not None
    assert second.popularity.log_loss is not None
    assert abs(second.popularity.log_loss - 4.0) < 0.1  # 53 items, each as frequent as the others


async def test_a_repeated_micro_batch_counts_once(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker(fault=partial(combine, partial(fail_a_commit, 3), write_quality_in_each_step))
    await send_in_parts(site)
    await site.finish(worker)
    assert "starting over from the changelog" in worker.text()
    await site.check(stopped=["a"])
    qualities = await quality_records(site)
    assert len(qualities) >= 10
    events, scored = [quality.events for quality in qualities], [quality.scored for quality in qualities]
    assert events == sorted(set(events))
    assert scored == sorted(scored)
    assert events[-1] == 1000
    assert 250 <= scored[-1] <= 250 + len(qualities)  # a quarter of each step, rounded up

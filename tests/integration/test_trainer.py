"""Trainers on a real broker: elected, killed, frozen and fenced; what they release is a fold of the changelog."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.local_kafka.cluster import LocalKafka
from tests.integration.faults import signal_at
from tests.integration.training import TrainingSite, release_readers
from tests.integration.worker import killed_at_end

PRODUCER = "streams.kafka.fenced_producer:FencedProducer"


@pytest.fixture
async def site(kafka: LocalKafka, prefix: str, tmp_path: Path) -> AsyncIterator[TrainingSite]:
    site = TrainingSite(kafka.bootstrap_servers, prefix, tmp_path)
    with killed_at_end(site.trainers):
        yield await site.create()


async def test_a_trainer_that_starts_again_goes_on_from_the_last_release(site: TrainingSite) -> None:
    await site.write_steps(20)
    first = site.trainer()
    await site.check()
    await first.stop()
    await site.write_steps(20)
    second = site.trainer()
    await second.wait_for("training goes on from release")
    await site.check()
    await second.stop()


async def test_a_trainer_that_stops_releases_what_it_has_learnt_and_hands_over_at_once(site: TrainingSite) -> None:
    first = site.trainer()
    await first.wait_for("training begins")
    standby = site.trainer()
    await standby.wait_for("standing by")
    await site.write_steps(10)
    await site.check()
    assert "training" not in standby.text()
    await first.stop()
    await standby.wait_for("training goes on from release")
    await site.write_steps(10)
    await site.check()
    await standby.stop()


@pytest.mark.parametrize(
    ("method", "call", "after"),
    [
        pytest.param("begin_transaction", 3, False, id="before-begin"),
        pytest.param("send_batch", 7, True, id="parts-sent"),
        pytest.param("commit_transaction", 3, False, id="manifest-sent"),
        pytest.param("commit_transaction", 3, True, id="committed"),
    ],
)
async def test_what_a_killed_trainer_has_learnt_counts_once(
    site: TrainingSite, method: str, call: int, after: bool
) -> None:
    victim = site.trainer(partial(signal_at, f"{PRODUCER}.{method}", call, signal.SIGKILL, after))
    await victim.wait_for("training begins")
    writing = asyncio.create_task(site.write_steps(40, pause_s=0.05))
    assert await victim.ended() == -signal.SIGKILL
    heir = site.trainer()
    await heir.wait_for("training ")
    await writing
    await site.check()
    await heir.stop()


@pytest.mark.parametrize(
    ("method", "call"),
    [
        pytest.param("begin_transaction", 3, id="before-begin"),
        pytest.param("send_batch", 7, id="sending-parts"),
        pytest.param("commit_transaction", 3, id="manifest-sent"),
    ],
)
async def test_a_frozen_trainer_that_wakes_up_after_another_took_over_writes_no_more(
    site: TrainingSite, method: str, call: int
) -> None:
    sleeper = site.trainer(partial(signal_at, f"{PRODUCER}.{method}", call, signal.SIGSTOP))
    await sleeper.wait_for("training begins")
    heir = site.trainer()
    await heir.wait_for("standing by")
    writing = asyncio.create_task(site.write_steps(40, pause_s=0.05))
    await sleeper.wait_frozen()
    await heir.wait_for("training ")
    await writing
    sleeper.send(signal.SIGCONT)
    assert await sleeper.ended() == 70
    last = sleeper.text().strip().splitlines()[-1]
    assert "has taken over" in last
    assert last.endswith("start it again to have it stand by")
    assert "Traceback" not in sleeper.text()
    await site.write_steps(5)
    await site.check()
    await heir.stop()


async def test_the_releases_topic_is_deleted_under_a_trainer(site: TrainingSite) -> None:
    trainer = site.trainer()
    await site.write_steps(10)
    await site.check()
    async with release_readers(site.settings) as (reader,):
        admin = AIOKafkaAdminClient(bootstrap_servers=site.settings.kafka.bootstrap_servers)
        await admin.start()
        await admin.delete_topics([site.settings.topics.model_releases])
        await admin.close()
        await trainer.wait_for("was deleted and created again: the next release holds the whole model")
        await site.write_steps(10)
        ends = await site.ends()
        await reader.until(lambda: all(reader.covered.offsets.get(p, 0) >= end for p, end in ends.items()))
        assert reader.model == await site.expected()
    await site.check()
    await trainer.stop()

"""The driver's stand-ins behave as a real Kafka: the same input and the same fault lead to the same output on both."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from state.rows import RowLayout
from streams.schema import predictions
from tests.driver.broker import ProcessKilled
from tests.driver.driven_worker import DrivenWorker
from tests.driver.engines import RowCopy
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, delete, event, events
from tests.integration.deployment import Deploy, Deployment, WorkersEndedError
from tests.integration.faults import fail_a_commit, repeat_a_fetch, signal_at
from tests.integration.worker import Fault
from tests.oracle import newest_values

UPSERT = {"event_type": "item.upsert", "item_id": "i1", "title": "One", "categories": ["x"]}


@dataclass(frozen=True)
class Chunk:
    """Input records that are sent combine; the next chunk is sent when they are applied."""

    records: Sequence[Input]
    aborted: bool = False
    """Whether they are of a transaction that is aborted"""


_NEW_STEPS_AT = RowLayout([]).dtype.fields["new_steps"][1]  # type: ignore[index]  # numpy: None without fields
"""Offset in a row of what depends on how the stream is cut into micro-batches"""

CHUNKS = (
    Chunk(events(0, 40)),
    Chunk(events(40, 60), aborted=True),
    Chunk([event("gone", 60), event("back", 61), (b"u1", b"{"), (b"u2", event("u1", 1)[1]), event("u1", 62)]),
    Chunk([delete("gone"), delete("back"), event("back", 63), (b"any", orjson.dumps(UPSERT)), (b"u3", None)]),
    Chunk(events(70, 130)),
)


@dataclass(frozen=True)
class Output:
    """Everything that is committed, but for times and for the order that depends on how micro-batches are cut."""

    rows: dict[bytes, bytes]
    predictions: dict[tuple[int, bytes], list[Any]]
    """By partition and user; None for a tombstone"""
    dead_letters: list[Any]
    items: set[bytes]
    catalog: dict[bytes, bytes]
    offsets: dict[TopicPartition, int]


class RealRun:
    """The scenario with worker processes on a real Kafka."""

    def __init__(self, site: Deployment, name: str) -> None:
        self._site = site
        self._transactional_id = name

    async def send(self, chunk: Chunk) -> None:
        if not chunk.aborted:
            await self._site.send(chunk.records)
            return
        async with self._site.producer(transactional_id=self._transactional_id) as producer:
            await producer.begin_transaction()
            applied = dict(self._site._next_offset)
            await self._site.send_by(producer, chunk.records)
            await producer.abort_transaction()
            self._site._next_offset = applied

    async def run(self, fault: Fault | None) -> None:
        worker = self._site.worker(fault=fault, engine=RowCopy)
        await worker.owns()
        for chunk in CHUNKS:
            await self.send(chunk)
            try:
                await self._site.applied()
            except WorkersEndedError:
                worker = self._site.worker(engine=RowCopy)
                await self._site.applied()
        await worker.stop()

    async def records(self, topic: str) -> list[Any]:
        return [record async for record in self._site.read(topic)]

    async def offsets(self) -> dict[TopicPartition, int]:
        return await self._site.progress()


class DrivenRun:
    """The scenario on the driver."""

    def __init__(self, driver: WorkerDriver) -> None:
        self._driver = driver

    async def run(self, fault: Callable[[WorkerDriver], None] | None, deliveries: int = 1) -> None:
        """`deliveries`: how often the first fetch of records is delivered."""
        driver = self._driver
        worker = await driver.start(engine=RowCopy())
        if fault is not None:
            fault(driver)
        for chunk in CHUNKS:
            driver.send(chunk.records, transactional_id="producer" if chunk.aborted else None)
            if chunk.aborted:
                driver.broker.end_transaction("producer", "aborted")
            if chunk is CHUNKS[0] and deliveries != 1:
                await worker.wait_open()
                batches = worker.source.fetch()
                for _ in range(deliveries):
                    await worker.process(batches)
            worker = await self._apply_all(worker)
        await worker.stop()

    async def _apply_all(self, worker: DrivenWorker) -> DrivenWorker:
        try:
            await worker.apply_all()
        except ProcessKilled:
            await worker.kill()
            worker = await self._driver.start(engine=RowCopy())
            await worker.apply_all()
        return worker

    async def records(self, topic: str) -> list[Any]:
        return list(self._driver.committed(topic))

    async def offsets(self) -> dict[TopicPartition, int]:
        return self._driver.broker.group.offsets


async def output(run: RealRun | DrivenRun, settings: Any) -> Output:
    topics = settings.topics
    by_user: dict[tuple[int, bytes], list[Any]] = {}
    for record in await run.records(topics.interest_predictions):
        prediction = None if record.value is None else predictions.decode(record.value)
        if prediction is not None:
            prediction = msgspec.structs.replace(prediction, emitted_at=0)
        by_user.setdefault((record.partition, record.key), []).append(prediction)
    letters = [
        (r.partition, r.key, r.value, [header for header in r.headers if not header[0].endswith("timestamp")])
        for r in await run.records(topics.user_events_dlq)
    ]
    return Output(
        rows={
            user: row[:_NEW_STEPS_AT] + row[_NEW_STEPS_AT + 4 :]
            for user, row in newest_values(await run.records(settings.changelog_topic)).items()
        },
        predictions=by_user,
        dead_letters=letters,
        items={record.key for record in await run.records(topics.item_index)},
        catalog=newest_values(await run.records(topics.item_catalog)),
        offsets=await run.offsets(),
    )


COMMIT = "streams.kafka.fenced_producer:FencedProducer.commit_transaction"


def fail_second_commit(driver: WorkerDriver) -> None:
    driver.faults.raise_at("commit_transaction", KafkaError("spoilt"), call=2)


def kill_at_second_commit(driver: WorkerDriver, *, after: bool) -> None:
    driver.faults.raise_at("commit_transaction", ProcessKilled(), call=2, after=after)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("real_fault", "driven_fault", "deliveries"),
    [
        pytest.param(None, None, 1, id="undisturbed"),
        pytest.param(partial(fail_a_commit, 2), fail_second_commit, 1, id="commit-failed"),
        pytest.param(
            partial(signal_at, COMMIT, 2, signal.SIGKILL, False),
            partial(kill_at_second_commit, after=False),
            1,
            id="killed-before-commit",
        ),
        pytest.param(
            partial(signal_at, COMMIT, 2, signal.SIGKILL, True),
            partial(kill_at_second_commit, after=True),
            1,
            id="killed-after-commit",
        ),
        pytest.param(partial(repeat_a_fetch, 1), None, 2, id="delivered-twice"),
    ],
)
async def test_the_driver_gives_what_a_real_kafka_gives(
    deploy: Deploy,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    real_fault: Fault | None,
    driven_fault: Callable[[WorkerDriver], None] | None,
    deliveries: int,
) -> None:
    site = await deploy("topics.partitions=2")
    real = RealRun(site, prefix)
    await real.run(real_fault)
    await site.check(stopped=["a"])
    expected = await output(real, site.settings)

    driver = WorkerDriver(tmp_path / "driven", monkeypatch, site._overrides)
    try:
        driven = DrivenRun(driver)
        await driven.run(driven_fault, deliveries)
        await driver.check()
        assert await output(driven, driver.settings) == expected
    finally:
        await driver.close()

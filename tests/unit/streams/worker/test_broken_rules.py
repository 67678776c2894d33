"""The driver's comparison can fail: with one rule of the write path broken, it shows what went wrong."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from state.rows import RowLayout
from streams.kafka import transaction
from streams.kafka.faust_transport import RecordBatch
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.worker.batch import MicroBatch
from streams.worker.output import StepOutput
from streams.worker.partitions.changelog import Changelog
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.partitions.source_reader import SourceReader
from streams.worker.pipeline import Pipeline
from tests.driver.broker import ConsumerGroup, ProcessKilled
from tests.driver.clients import InMemoryTransactionalProducer
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import event, events


def trust_the_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    async def admit(_: SourceReader, state: PartitionState, batch: RecordBatch, next_offset: int) -> RecordBatch:
        return batch

    monkeypatch.setattr(SourceReader, "_admit", admit)


def skip_last_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = RowLayout.unpack

    def forget_last_offset(self: RowLayout, values: Sequence[bytes | None]) -> NDArray[np.void]:
        rows = unpack(self, values)
        rows["last_offset"] = -1
        return rows

    monkeypatch.setattr(RowLayout, "unpack", forget_last_offset)


def store_before_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    send, write, commit = transaction._send, Pipeline.write, InMemoryTransactionalProducer.commit_transaction
    ends: dict[TopicPartition, int] = {}
    stores: list[Callable[[], None]] = []

    async def note_end(producer: Any, tp: TopicPartition, records: Iterable[ProducerRecord]) -> int:
        ends[tp] = await send(producer, tp, records)
        return ends[tp]

    async def note_store(self: Pipeline, batch: MicroBatch, output: StepOutput) -> dict[int, int]:
        stores.append(lambda: self._store(output.row_changes, ends))
        return await write(self, batch, output)

    async def store_and_commit(self: InMemoryTransactionalProducer) -> None:
        if stores:
            stores.pop()()
        await commit(self)

    monkeypatch.setattr(transaction, "_send", note_end)
    monkeypatch.setattr(Pipeline, "write", note_store)
    monkeypatch.setattr(InMemoryTransactionalProducer, "commit_transaction", store_and_commit)


def accept_any_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConsumerGroup, "verify", lambda self, group_metadata: None)


def open_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def return_at_once(*_: Any) -> None:
        return None

    monkeypatch.setattr(Changelog, "wait_for_stable_offset", return_at_once)


def keep_the_failed_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go_on(self: TransactionWriter) -> None:
        producer: Any = self._producer
        producer._failed = producer._in_transaction = False

    monkeypatch.setattr(TransactionWriter, "restart", go_on)


async def test_trusting_the_delivery_loses_events(driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    trust_the_delivery(monkeypatch)
    worker = await driver.start()
    driver.send(events(0, 40))
    await worker.wait_open()
    assert worker.source.fetch()  # never processed
    driver.send(events(40, 80))
    await worker.apply_all()
    comparison = await driver.compare()
    assert (comparison.lost, comparison.doubled) == (40, 0)
    assert comparison.wrong_chain
    await worker.stop()


async def delivered_twice(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 40))
    await worker.wait_open()
    batches = worker.source.fetch()
    await worker.process(batches)
    await worker.process(batches)
    await worker.stop()


async def test_trusting_the_delivery_and_no_last_offset_count_events_twice(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_the_delivery(monkeypatch)
    skip_last_offset(monkeypatch)
    await delivered_twice(driver)
    comparison = await driver.compare()
    assert (comparison.lost, comparison.doubled) == (0, 40)
    assert any("predicted twice" in problem for problem in await driver.prediction_problems())


async def test_the_rows_last_offset_alone_keeps_repeated_events_from_counting_twice(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_the_delivery(monkeypatch)
    await delivered_twice(driver)
    await driver.check()


async def test_rocksdb_before_the_commit_loses_events(driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    store_before_commit(monkeypatch)
    worker = await driver.start()
    driver.send(event(f"first{number}", number) for number in range(20))
    await worker.apply_all()
    driver.faults.raise_at("commit_transaction", ProcessKilled())
    driver.send(event(f"u{number}", number) for number in range(20, 40))  # each once: no row makes up for a lost one
    with pytest.raises(ProcessKilled):
        await worker.apply_all()
    await worker.kill()
    heir = await driver.start()
    driver.send([event("last", 100)])
    await heir.apply_all()
    assert (await driver.compare()).lost == 20
    await heir.stop()


@pytest.mark.parametrize(
    ("break_rule", "method"),
    [
        pytest.param(accept_any_generation, "begin_transaction", id="no-generation"),
        pytest.param(open_without_waiting, "commit_transaction", id="no-wait"),
    ],
)
async def test_zombies_predict_twice(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch, break_rule: Callable[[pytest.MonkeyPatch], None], method: str
) -> None:
    break_rule(monkeypatch)
    zombie = await driver.start("a")
    driver.send(events(0, 30))
    pause = driver.faults.pause_at(method)
    frozen = asyncio.ensure_future(zombie.step())
    await pause.reached.wait()
    heir = await driver.start("b")
    await heir.apply_all()
    pause.resumed.set()
    await frozen
    assert any("predicted twice" in problem for problem in await driver.prediction_problems())
    await zombie.stop()
    await heir.stop()


async def test_going_on_with_a_failed_producer_commits_the_failed_records(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_the_failed_producer(monkeypatch)
    worker = await driver.start()
    driver.faults.raise_at("commit_transaction", KafkaError("spoilt"))
    driver.send(events(0, 30))
    # Its own open transaction, which nothing ends, would be waited for without end.
    open_without_waiting(monkeypatch)
    await worker.apply_all()
    assert any("predicted twice" in problem for problem in await driver.prediction_problems())
    await worker.stop()

"""Fetches that are repeated, lost or have gaps, on the driver."""

import logging

import pytest

from streams.kafka.faust_transport import RecordBatch
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import event, events


async def test_records_delivered_twice_count_once(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 40))
    await worker.wait_open()
    batches = worker.source.fetch()
    await worker.process(batches + batches)
    await worker.process(batches)
    await worker.apply_all()
    await driver.check(worker)
    await worker.stop()


async def test_overlapping_fetches_count_once(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 40, users=1))
    await worker.wait_open()
    (batch,) = worker.source.fetch()
    first = RecordBatch(batch.partition, batch.records[:30])
    second = RecordBatch(batch.partition, batch.records[20:])
    await worker.process([first, second])
    await driver.check(worker)
    await worker.stop()


async def test_records_that_were_not_delivered_are_fetched_again(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await driver.start()
    driver.send(events(0, 40))
    await worker.wait_open()
    assert worker.source.fetch()  # never processed
    driver.send(events(40, 80))
    await worker.apply_all()
    assert caplog.text.count("were not delivered: rewinding") == len(worker.partitions)
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 80
    await worker.stop()


async def test_fetches_in_flight_during_a_rewind_start_no_second_one(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await driver.start()
    driver.send(events(0, 200, users=1))
    await worker.wait_open()
    _, second, third = (worker.source.fetch() for _ in range(3))
    await worker.process(second)
    await worker.process(third)
    assert caplog.text.count("rewinding") == 1
    await worker.apply_all()
    await driver.check(worker)
    await worker.stop()


async def test_commit_markers_and_aborted_events_are_gaps(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = await driver.start()
    for begin, committed in ((0, True), (20, False), (40, True), (60, False), (80, False)):
        driver.send(events(begin, begin + 20), transactional_id="producer")
        driver.broker.end_transaction("producer", "committed" if committed else "aborted")
        await worker.apply_all()
    driver.send(events(100, 120))
    await worker.apply_all()
    assert "rewinding" not in caplog.text
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 60
    await worker.stop()


async def test_records_of_an_open_transaction_are_not_read(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send([event("a", 0)], transactional_id="producer")
    await worker.apply_all()
    assert await driver.rows() == {}
    driver.broker.end_transaction("producer", "committed")
    await worker.apply_all()
    assert (await driver.check(worker))["a"].count == 1
    await worker.stop()


async def test_batches_of_partitions_that_are_not_assigned_are_dropped(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 10))
    await worker.wait_open()
    batches = [RecordBatch(7, batch.records) for batch in worker.source.fetch()]
    await worker.process(batches)
    assert await driver.rows() == {}
    await worker.stop()

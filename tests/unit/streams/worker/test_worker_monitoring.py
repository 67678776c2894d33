"""Metrics and health of a worker, on the driver."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import ProducerFenced
from aiokafka.structs import TopicPartition

from streams.kafka.transaction import ProducerRecord
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import event, events
from tests.unit.streams.worker.conftest import MakeDriver


async def test_counters_equal_what_was_sent(make_driver: MakeDriver) -> None:
    driver = make_driver("kafka.max_record_bytes=1024", "items.capacity=7")
    worker = await driver.start()
    await worker.wait_open()
    assert worker.metric("interest_rejected_records_total", reason="not_json") == 0
    assert worker.metric("interest_newest_event_timestamp_seconds") is None
    sent = list(events(0, 90))
    driver.send([*sent, (b"u1", b"{"), (b"u1", b"["), (b"u1", b" " * 2000), event("u1", 90)])
    await worker.apply_all()
    assert worker.metric("interest_events_total") == 91
    assert worker.metric("interest_predictions_total") == 91
    assert worker.metric("interest_rejected_records_total", reason="not_json") == 2
    assert worker.metric("interest_rejected_records_total", reason="record_too_large") == 1
    assert worker.metric("interest_rejected_records_total", reason="null_value") == 0
    steps = worker.metric("interest_steps_total")
    assert steps
    for stage in ("decode", "items", "load", "model", "rows", "encode", "transaction", "store"):
        assert worker.metric("interest_step_stage_duration_seconds_count", stage=stage) == steps, stage
    assert worker.metric("interest_step_duration_seconds_count") == steps
    assert worker.metric("interest_newest_event_timestamp_seconds") == pytest.approx(1731900000, rel=1e-3)
    assert worker.metric("interest_open_partitions") == 2
    assert worker.metric("interest_rebalances_total") == 1
    assert worker.metric("interest_items") == 5
    assert worker.metric("interest_items_capacity") == 7
    for partition, state in worker.partitions.items():
        files = [file.stat().st_size for file in state.store.folder.iterdir()]
        assert worker.metric("interest_store_bytes", partition=str(partition)) == sum(files)
    await worker.stop()


async def test_lag_is_what_is_sent_and_not_applied(driver: WorkerDriver) -> None:
    worker = await driver.start()
    await worker.wait_open()
    driver.send(events(0, 30))
    lags = [worker.metric("interest_partition_lag_records", partition=str(p)) or 0 for p in range(2)]
    assert sum(lags) == 30
    await worker.apply_all()
    assert [worker.metric("interest_partition_lag_records", partition=str(p)) for p in range(2)] == [0, 0]
    await worker.stop()


async def test_failed_transactions_and_restored_rows_are_counted(driver: WorkerDriver) -> None:
    worker = await driver.start("a")
    driver.send(events(0, 30))
    await worker.wait_open()
    driver.faults.raise_at("commit_transaction", ProducerFenced())
    await worker.apply_all()
    assert worker.metric("interest_transaction_failures_total") == 1
    assert worker.metric("interest_events_total") == 30
    written = len(driver.committed(driver.settings.changelog_topic))
    await worker.stop()
    heir = await driver.start("b")  # a data folder of its own
    await heir.wait_open()
    assert heir.metric("interest_restored_records_total") == written
    assert heir.metric("interest_restore_remaining_records") == 0
    await heir.stop()


async def test_evicted_items_and_quality_of_a_followed_model(make_driver: MakeDriver) -> None:
    driver = make_driver("items.capacity=3")
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    assert worker.metric("interest_quality_recall_at_10_ratio", predictor="popularity") is None
    for number in range(30):
        driver.send([event(f"u{number % 3}", number, f"i{number if number < 5 else number % 2}")])
        await worker.apply_all()
    assert worker.metric("interest_items") == 3
    before = worker.metric("interest_applied_releases_total")
    await trainer.observe()
    await worker.follow(await trainer.release())
    assert before is not None
    assert worker.metric("interest_applied_releases_total") == before + 1
    assert worker.metric("interest_release_timestamp_seconds")
    lineage = f"{worker.engine.version.lineage:08x}"
    assert worker.metric("interest_model_info", lineage=lineage) == 1
    assert worker.metric("interest_evicted_items_total") == len(driver.committed(driver.topics.item_index)) - 3
    for predictor in ("model", "popularity"):
        recall = worker.metric("interest_quality_recall_at_10_ratio", predictor=predictor)
        assert recall is not None
        assert 0 < recall <= 1
    await worker.stop()


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the health checks."""
    seconds = [1000.0]
    monkeypatch.setattr("streams.monitoring.health.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    return seconds


async def test_a_worker_is_ready_while_its_partitions_are_open(driver: WorkerDriver) -> None:
    worker = await driver.start()
    assert not worker.health.ready().ok
    await worker.wait_open()
    assert worker.health.ready() == (True, "partitions are open", {"partitions": 2})
    await worker.revoke()
    assert not worker.health.ready().ok
    await worker.stop()


async def test_a_worker_that_commits_nothing_while_events_wait_is_not_alive(
    make_driver: MakeDriver, now_s: list[float]
) -> None:
    def is_live(after_s: float) -> bool:
        now_s[0] += after_s
        return worker.health.live().ok

    driver = make_driver("monitoring.live_timeout_s=60")
    worker = await driver.start()
    await worker.wait_open()
    assert is_live(3600)  # idle
    driver.send(events(0, 30))
    assert is_live(3600)  # they may have come just now
    assert not is_live(61)
    assert worker.health.live().reason.startswith("30 records wait, and nothing was committed for 61 s")
    await worker.apply_all()
    assert is_live(3600)
    driver.send(events(30, 60))
    paused = driver.faults.pause_at("commit_transaction")
    stepping = asyncio.create_task(worker.step())
    await paused.reached.wait()
    assert is_live(1)
    assert is_live(60)
    assert not is_live(1)
    assert worker.health.live().reason.startswith("a step is in work, and nothing was committed for 61 s")
    paused.resumed.set()
    await stepping
    await worker.apply_all()
    assert is_live(3600)
    await worker.stop()


async def test_partitions_that_are_not_opened_in_time_are_not_alive(
    make_driver: MakeDriver, now_s: list[float]
) -> None:
    driver = make_driver("monitoring.live_timeout_s=60")
    open_for_ever = ProducerRecord(b"u1", b"of a writer whom no offset row names")
    driver.broker.append(TopicPartition(driver.settings.changelog_topic, 0), [open_for_ever], "another")
    worker = await driver.start()
    assert worker.health.live().ok
    now_s[0] += 61
    assert worker.health.live().reason.startswith("partitions are being opened, and nothing")

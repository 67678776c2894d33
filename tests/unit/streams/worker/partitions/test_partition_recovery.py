"""Failed transactions, killed workers and lost stores, on the driver: what the changelog holds is what counts."""

import logging
import shutil
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from models.data.user_row import user_row_fields
from state.row_format import RowFormat, row_format_of
from state.store import PartitionStore
from state.table import partition_folder
from streams.errors import ChangelogError, TransactionFailed
from tests.driver.broker import ProcessKilled
from tests.driver.driven_worker import DrivenWorker
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import event, events

POINTS = pytest.mark.parametrize(
    ("method", "after"),
    [
        pytest.param("begin_transaction", False, id="before-begin"),
        pytest.param("send_batch", False, id="before-records"),
        pytest.param("send_batch", True, id="some-records-sent"),
        pytest.param("send_offsets", False, id="records-sent"),
        pytest.param("send_offsets", True, id="offsets-sent"),
        pytest.param("commit_transaction", False, id="before-commit"),
        pytest.param("commit_transaction", True, id="committed"),
    ],
)


async def applied(driver: WorkerDriver, begin: int, end: int) -> DrivenWorker:
    """A worker that has applied these events."""
    worker = await driver.start()
    driver.send(events(begin, end))
    await worker.apply_all()
    return worker


def new_steps(driver: WorkerDriver) -> Counter[str]:
    """By user, the sum of the events that the committed changelog records call new."""
    row_format, total = RowFormat(user_row_fields(driver.settings.model)), Counter[str]()
    for record in driver.committed(driver.settings.changelog_topic):
        if record.key and record.value and not record.key.startswith(b"\0"):
            total[record.key.decode()] += row_format.read(record.value, "new_steps")["new_steps"]
    return total


def write_in_format_1(driver: WorkerDriver) -> None:
    """Replaces the changelog's rows by those of a release that knew format 1 alone."""
    for partition in range(driver.topics.partitions):
        log = driver.broker.log(TopicPartition(driver.settings.changelog_topic, partition))
        for index, entry in enumerate(log.entries):
            record = entry.record
            if record is not None and record.key and record.value and not record.key.startswith(b"\0"):
                row = b"\1\0" + record.value[2:34] + record.value[42:]
                log.entries[index] = replace(entry, record=record._replace(value=row))


@POINTS
async def test_a_failed_transaction_counts_once(driver: WorkerDriver, method: str, after: bool) -> None:
    worker = await applied(driver, 0, 30)
    driver.faults.raise_at(method, KafkaError("spoilt"), after=after)
    driver.send(events(30, 80))
    await worker.apply_all()
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 80
    assert new_steps(driver) == {user: row.count for user, row in rows.items()}
    await worker.stop()


async def test_a_changelog_of_format_1_goes_on_exactly(driver: WorkerDriver) -> None:
    worker = await applied(driver, 0, 60)
    await worker.stop()
    write_in_format_1(driver)
    shutil.rmtree(driver.data_dir())
    worker = await driver.start()
    await worker.wait_open()
    stored = [row_format_of(row) for state in worker.partitions.values() for _, row in state.store.rows()]
    assert stored == [1] * 7
    await driver.check(worker)
    driver.send(event("u3", number) for number in range(60, 70))
    driver.send(event("new", number) for number in range(70, 72))
    await worker.apply_all()
    rows = await driver.check(worker)
    assert (sum(row.count for row in rows.values()), rows["u3"].count) == (72, 19)
    # Rows that no event has touched stay in format 1, on both sides.
    formats = {key: row_format_of(row) for state in worker.partitions.values() for key, row in state.store.rows()}
    assert formats == {f"u{number}".encode(): 1 for number in range(7)} | {b"u3": 2, b"new": 2}
    assert new_steps(driver) == {f"u{number}": 0 for number in range(7)} | {"u3": 10, "new": 2}
    await worker.stop()


@POINTS
@pytest.mark.parametrize("successor", ["same-folder", "other-folder"])
async def test_events_of_a_killed_worker_count_once(
    driver: WorkerDriver, method: str, after: bool, successor: str
) -> None:
    worker = await applied(driver, 0, 30)
    driver.faults.raise_at(method, ProcessKilled(), after=after)
    driver.send(events(30, 80))
    with pytest.raises(ProcessKilled):
        await worker.apply_all()
    await worker.kill()
    heir = await driver.start("a" if successor == "same-folder" else "b")
    await heir.apply_all()
    rows = await driver.check(heir)
    assert sum(row.count for row in rows.values()) == 80
    await heir.stop()


async def test_a_kill_between_the_stores_of_two_partitions_is_made_good(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await applied(driver, 0, 30)
    put_many, calls = PartitionStore.put_many, []

    def put_first_only(self: PartitionStore, *args: Any, **options: Any) -> None:
        calls.append(self)
        if len(calls) == 2:
            raise ProcessKilled
        put_many(self, *args, **options)

    monkeypatch.setattr(PartitionStore, "put_many", put_first_only)
    driver.send(events(30, 60))
    with pytest.raises(ProcessKilled):
        await worker.apply_all()
    monkeypatch.undo()
    await worker.kill()
    assert (await driver.compare()).exact


async def test_rows_are_restored_after_the_store_is_deleted(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = await applied(driver, 0, 60)
    await worker.stop()
    shutil.rmtree(driver.data_dir())
    worker = await driver.start()
    await worker.wait_open()
    assert "restored" in caplog.text
    await driver.check(worker)
    driver.send(events(60, 90))
    await worker.apply_all()
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 90
    await worker.stop()


async def test_a_damaged_store_is_set_aside_and_restored(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await applied(driver, 0, 60)
    await worker.stop()
    (partition_folder(driver.data_dir() / "users", 1) / "CURRENT").unlink()
    worker = await driver.start()
    await worker.apply_all()
    assert "damaged rows are set aside" in caplog.text
    await driver.check(worker)
    await worker.stop()


async def test_an_outdated_store_is_dropped_and_restored(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await applied(driver, 0, 60)
    # A row that compaction has forgotten: its tombstone came and went while this store was not in use.
    worker.partitions[0].store.put_many([b"forgotten"], [b"row"], worker.partitions[0].store.position or 0)
    await worker.stop()
    monkeypatch.setattr(
        "streams.worker.partitions.partition_recovery.is_outdated", lambda store: store.position is not None
    )
    worker = await driver.start()
    await worker.wait_open()
    assert "too old to be brought up to date" in caplog.text
    await driver.check(worker)
    await worker.stop()


async def test_the_groups_offsets_are_not_read(driver: WorkerDriver) -> None:
    worker = await applied(driver, 0, 30)
    await worker.stop()
    driver.broker.group.offsets = dict.fromkeys(driver.broker.group.offsets, 999)
    worker = await driver.start()
    driver.send(events(30, 60))
    await worker.apply_all()
    await driver.check(worker)
    await worker.stop()


async def test_a_recreated_changelog_ends_the_worker(driver: WorkerDriver) -> None:
    worker = await applied(driver, 0, 30)
    await worker.stop()
    driver.broker.recreate(driver.settings.changelog_topic)
    worker = await driver.start()
    with pytest.raises(ChangelogError, match="truncated or recreated"):
        await worker.wait_open()
    await worker.kill()


async def test_a_recreated_and_longer_changelog_ends_the_worker(driver: WorkerDriver) -> None:
    worker = await applied(driver, 0, 30)
    await worker.stop()
    driver.broker.recreate(driver.settings.changelog_topic)
    other = await driver.start("b")  # which reads the input from its beginning
    driver.send(events(30, 300))
    await other.apply_all()
    await other.stop()
    worker = await driver.start("a")
    with pytest.raises(ChangelogError, match="not the changelog that the local rows were read from"):
        await worker.wait_open()
    await worker.kill()


async def test_a_truncated_changelog_ends_the_worker(driver: WorkerDriver) -> None:
    worker = await applied(driver, 0, 30)
    await worker.stop()
    log = driver.broker.log(TopicPartition(driver.settings.changelog_topic, 0))
    log.truncate(log.end - 1)
    worker = await driver.start()
    with pytest.raises(ChangelogError, match="truncated or recreated"):
        await worker.wait_open()
    await worker.kill()


async def test_transactions_that_keep_failing_end_the_worker(driver: WorkerDriver) -> None:
    worker = await driver.start()
    for call in range(1, 14):
        driver.faults.raise_at("begin_transaction", KafkaError("spoilt"), call=call)
    driver.send([event("a", 0)])
    with pytest.raises(TransactionFailed):
        await worker.apply_all()
    assert await driver.rows() == {}
    await worker.kill()

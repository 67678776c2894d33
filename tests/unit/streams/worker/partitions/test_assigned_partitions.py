"""Workers that lose their partitions to another, on the driver."""

import asyncio
import logging

import pytest

from tests.driver.broker import ProcessKilled
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import events


@pytest.mark.parametrize("method", ["begin_transaction", "send_batch", "send_offsets", "commit_transaction"])
async def test_a_frozen_worker_writes_nothing_after_its_partitions_were_taken(
    driver: WorkerDriver, method: str
) -> None:
    sleeper = await driver.start("a")
    driver.send(events(0, 30))
    await sleeper.apply_all()
    driver.send(events(30, 60))
    pause = driver.faults.pause_at(method)
    frozen = asyncio.ensure_future(sleeper.step())
    await pause.reached.wait()

    heir = await driver.start("b")
    driver.send(events(60, 90))
    await heir.apply_all()
    pause.resumed.set()
    await frozen
    await driver.check(heir)

    driver.send(events(90, 120))
    await sleeper.step()  # it has not noticed yet, and is refused again
    await heir.apply_all()
    rows = await driver.check(heir)
    assert sum(row.count for row in rows.values()) == 120
    await sleeper.stop()
    await heir.stop()


async def test_an_expelled_worker_leaves_its_successors_transaction_open(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    sleeper = await driver.start("a")
    driver.send(events(0, 30))
    await sleeper.apply_all()
    heir = await driver.start("b")
    driver.faults.raise_at("commit_transaction", ProcessKilled())
    driver.send(events(30, 60))
    with pytest.raises(ProcessKilled):
        await heir.apply_all()

    await sleeper.step()  # refused by the generation, and reopens
    async with asyncio.timeout(5):
        while "waiting for the next assignment" not in caplog.text:
            await asyncio.sleep(0)
    assert sleeper.partitions == {}
    driver.broker.end_transaction(heir.transactional_id, "committed")
    assert (await driver.compare()).exact
    await sleeper.stop()
    await heir.kill()


async def test_a_revocation_closes_every_partition(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 30))
    await worker.apply_all()
    await worker.stop()
    assert worker.partitions == {}
    other = await driver.start("a")  # the folder is free
    await other.apply_all()
    await driver.check(other)
    await other.stop()


async def test_a_revocation_waits_for_the_micro_batch_in_work(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send(events(0, 30))
    pause = driver.faults.pause_at("commit_transaction")
    in_work = asyncio.ensure_future(worker.step())
    await pause.reached.wait()
    revocation = asyncio.ensure_future(worker.revoke())
    await asyncio.sleep(0.01)
    assert not revocation.done()
    pause.resumed.set()
    await asyncio.gather(in_work, revocation)
    assert worker.partitions == {}
    assert (await driver.compare()).exact
    await worker.stop()


async def test_the_log_names_partitions_and_generation(driver: WorkerDriver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    worker = await driver.start()
    await worker.wait_open()
    assert "own partitions [0, 1] (generation 1)" in caplog.text
    await worker.stop()

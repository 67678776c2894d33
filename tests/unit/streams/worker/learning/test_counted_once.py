"""Counts of a worker whose transactions fail: each event once."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaError

from tests.driver.broker import ProcessKilled
from tests.driver.worker_driver import DrivenWorker, WorkerDriver
from tests.inputs import events


def counted(worker: DrivenWorker) -> float:
    """Clicks that the experts have counted, ever."""
    model = worker._worker._model
    assert model is not None
    return float(model.engine.experts()["popularity.counts"][-1].sum())


@pytest.mark.parametrize("after", [False, True])
async def test_a_step_that_is_taken_again_counts_once(driver: WorkerDriver, after: bool) -> None:
    """Once it is committed: where the transaction was, and only the answer was lost, no other step counts."""
    driver.send(events(0, 40))
    worker = await driver.start(engine=None)
    driver.faults.raise_at("commit_transaction", KafkaError("spoilt"), call=2, after=after)
    await worker.apply_all()
    driver.send(events(40, 70))
    await worker.apply_all()
    assert counted(worker) == (40 if after else 70)
    driver.send(events(70, 75))
    await worker.apply_all()
    assert counted(worker) == (45 if after else 75)
    await worker.stop()


async def test_a_step_of_a_killed_worker_counts_in_none(driver: WorkerDriver) -> None:
    driver.send(events(0, 40))
    worker = await driver.start(engine=None)
    driver.faults.raise_at("commit_transaction", ProcessKilled(), call=1)
    with pytest.raises(ProcessKilled):
        await worker.apply_all()
    assert counted(worker) == 0
    await worker.kill()

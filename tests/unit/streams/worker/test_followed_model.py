"""Workers that follow a trainer, both real, on a broker in memory: each event counts once, whatever fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from models.inference.engine import Engine
from models.inference.stream_counts import StreamCounts
from models.network.weights import INITIAL_LINEAGE
from tests.driver.broker import ProcessKilled
from tests.driver.driven_trainer import DrivenTrainer
from tests.driver.driven_worker import DrivenWorker
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import delete, events, fields

_ITEMS = 5  # of tests.inputs.events
_STEP = 50  # events: no more of a user than a row holds


@pytest.fixture
def driver(make_driver: Callable[..., WorkerDriver]) -> WorkerDriver:
    """Every event counts fully, so that counts are those of the input."""
    return make_driver("learning.max_repeats=0", "learning.min_window_s=0")


def counts_of(engine: Engine) -> dict[str, NDArray[Any]]:
    counts: StreamCounts = engine.counts
    return counts.rows(np.arange(1, _ITEMS + 1))


def clicks(engine: Engine) -> float:
    """That the experts have counted, ever."""
    return float(engine.experts()["popularity.counts"][-1].sum())


def assert_equal(first: Engine, second: Engine) -> None:
    expected = counts_of(second)
    for name, counts in counts_of(first).items():
        np.testing.assert_allclose(counts, expected[name], rtol=1e-6, err_msg=name)


async def released(trainer: DrivenTrainer) -> int:
    """The number of a release that has all that is committed."""
    await trainer.observe()
    await trainer.learn()
    return await trainer.release()


async def test_a_worker_goes_on_with_what_a_trainer_releases(driver: WorkerDriver) -> None:
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    for begin in range(0, 300, _STEP):
        driver.send(events(begin, begin + _STEP))
        await worker.apply_all()
    assert clicks(worker.engine) == 300
    await worker.follow(await released(trainer))
    assert worker.engine.version == trainer.engine.version
    assert worker.engine.version.lineage == INITIAL_LINEAGE
    assert worker.engine.version.version > 0
    assert_equal(worker.engine, trainer.engine)
    driver.send(events(300, 330))
    await worker.apply_all()
    assert clicks(worker.engine) == 330
    await worker.follow(await released(trainer))
    assert clicks(worker.engine) == 330
    assert_equal(worker.engine, trainer.engine)
    await driver.check(worker)
    await worker.stop()


async def test_what_is_learnt_while_no_event_comes_is_released(driver: WorkerDriver) -> None:
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    driver.send(events(0, _STEP))
    await worker.apply_all()
    await trainer.observe()
    number = await trainer.release()
    assert await trainer.learn() > 0
    assert await trainer.release() == number + 1
    assert await trainer.release() == number + 1
    await worker.follow(number + 1)
    assert worker.engine.version == trainer.engine.version
    await worker.stop()


@pytest.mark.parametrize("after", [False, True])
async def test_a_step_that_is_taken_again_counts_once(driver: WorkerDriver, after: bool) -> None:
    """At once where it is seen to be committed; where only the answer was lost, with the release that has it."""
    driver.send(events(0, 40))
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    driver.faults.raise_at(
        "commit_transaction", KafkaError("spoilt"), call=2, after=after
    )  # the trainer's is the first
    await worker.apply_all()
    driver.send(events(40, 70))
    await worker.apply_all()
    assert clicks(worker.engine) == (40 if after else 70)
    await worker.follow(await released(trainer))
    assert clicks(worker.engine) == clicks(trainer.engine) == 70
    await worker.stop()


async def test_the_counts_are_those_of_the_input_after_kills_of_worker_and_trainer(driver: WorkerDriver) -> None:
    async def apply_until_killed(worker: DrivenWorker) -> None:
        with pytest.raises(ProcessKilled):
            await worker.apply_all()
        await worker.kill()

    worker = await driver.start(engine=None)
    trainer = await driver.train()
    for begin, method, after in (
        (0, "send_batch", True),
        (50, "commit_transaction", False),
        (100, "commit_transaction", True),
    ):
        driver.send(events(begin, begin + _STEP))
        driver.faults.raise_at(method, ProcessKilled(), after=after)
        await apply_until_killed(worker)
        worker = await driver.start(f"after-{begin}", engine=None)
        await worker.apply_all()
        await trainer.observe()
        driver.faults.raise_at(method, ProcessKilled(), after=after)
        with pytest.raises(ProcessKilled):
            await trainer.release()
        trainer = await driver.train()
    await worker.follow(await released(trainer))
    assert clicks(trainer.engine) == clicks(worker.engine) == 150
    assert_equal(worker.engine, trainer.engine)
    ids = worker.item_ids()
    ever = worker.engine.experts()["popularity.counts"][-1]
    assert {ids[item]: ever[item] for item in range(1, _ITEMS + 1)} == Counter(f"i{n * 3 % _ITEMS}" for n in range(150))
    await driver.check(worker)
    await worker.stop()


async def test_a_release_that_does_not_fit_leaves_the_model_as_it_is(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    driver.send(events(0, 50))
    await worker.apply_all()
    await worker.follow(await released(trainer))
    version = worker.engine.version
    trainer.spoil_next_release()
    driver.send(events(50, 100))
    await worker.apply_all()
    await worker.follow(await released(trainer))
    assert worker.engine.version == version
    assert "is not applied, the model before it stays" in caplog.text
    driver.send(events(100, 150))
    await worker.apply_all()
    await worker.follow(await released(trainer))
    assert worker.engine.version == trainer.engine.version
    assert clicks(worker.engine) == 150
    await worker.stop()


async def test_the_trainer_gets_the_texts_about_items_and_a_restored_worker_takes_them_for_no_user(
    driver: WorkerDriver,
) -> None:
    worker = await driver.start(engine=None)
    for number in range(20):
        click = fields(f"u{number % 7}", number, f"i{number % _ITEMS}") | {"text": f"text {number}"}
        driver.send([(f"u{number % 7}".encode(), orjson.dumps(click))])
    await worker.apply_all()
    content = worker.item_content()
    assert content.state() == {}  # a worker has it in the embeddings that the trainer releases
    trainer = await driver.train()
    await trainer.observe()
    reviewed = trainer.item_content().state()
    assert len(reviewed["mean"]) == _ITEMS
    await worker.follow(await released(trainer))
    assert_equal(worker.engine, trainer.engine)
    restored = await driver.train()
    np.testing.assert_array_equal(restored.item_content().state()["mean"], reviewed["mean"])
    await worker.kill()
    worker = await driver.start("restored", engine=None)
    await worker.wait_open()
    await driver.check(worker)
    await worker.stop()


async def test_nothing_is_learnt_from_an_erased_user_any_more(driver: WorkerDriver) -> None:
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    driver.send(events(0, _STEP))
    await worker.apply_all()
    await trainer.observe()
    await trainer.learn()
    assert trainer.replayed_users() == 7
    driver.send([*events(_STEP, 2 * _STEP), delete("u3")])
    await worker.apply_all()
    await trainer.observe()
    await trainer.learn()
    assert trainer.replayed_users() == 6
    await trainer.release()
    await trainer.save()
    restored = await driver.train()
    assert restored.replayed_users() == 6
    await worker.stop()

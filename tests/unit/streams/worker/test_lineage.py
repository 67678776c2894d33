"""Rows where the lineage of the weights changes, and ids where a step is retried under newer weights, on the driver."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import orjson
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from models import checkpoint
from models.data.event_types import type_index
from models.data.events import EventBatch
from models.data.user_row import user_row_fields
from models.inference.engine import Engine
from models.inference.predictions import ModelVersion
from models.inference.step_result import StepResult
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.weights import INITIAL_LINEAGE, Weights
from state.rows import RowLayout
from tests.driver.driven_worker import DrivenWorker
from tests.driver.engines import RowCopy
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import FIRST_MS, event, events, several
from tests.unit.models.random_weights import noisy

_USERS = [f"u{number}" for number in range(7)]
_RETRAINED = 0xC0FFEE01
_FP16 = 2e-3


def registered_items(driver: WorkerDriver) -> ItemVocabulary:
    """The items in the order of the register, as a worker knows them."""
    items = ItemVocabulary(driver.settings.items.capacity, ItemContent(driver.settings.model))
    for record in driver.committed(driver.topics.item_index):
        items.add((record.key or b"").decode())
    return items


def save_retrained(driver: WorkerDriver) -> Weights:
    """Other weights, as `train` makes them, from which a trainer starts where nothing is released."""
    weights = replace(noisy(driver.settings.model, version=9), lineage=_RETRAINED)
    checkpoint.save(
        driver.worker_settings().trainer.trained_dir, weights, driver.settings.model, registered_items(driver)
    )
    return weights


def stored_rows(driver: WorkerDriver, worker: DrivenWorker) -> dict[str, NDArray[np.void]]:
    """Each user's row in RocksDB."""
    layout = RowLayout(user_row_fields(driver.settings.model))
    stored = {key: row for state in worker.partitions.values() for key, row in state.store.rows()}
    return dict(zip((key.decode() for key in stored), layout.unpack(list(stored.values())), strict=True))


def states(rows: NDArray[np.void]) -> NDArray[np.float32]:
    return np.concatenate([rows["h"], rows["c"]], -1).astype(np.float32)


async def test_a_worker_with_a_retrained_model_rebuilds_the_rows_that_it_touches(driver: WorkerDriver) -> None:
    worker = await driver.start(engine=None)
    driver.send(events(0, 90))
    await worker.apply_all()
    before = stored_rows(driver, worker)
    assert {int(row["lineage"]) for row in before.values()} == {INITIAL_LINEAGE}
    weights = save_retrained(driver)
    await driver.train()
    await worker.follow(1)
    touched = ["u0", "u3", "u5"]
    driver.send([*(event(user, 100 + index, "i2") for index, user in enumerate(touched)), event("new", 103, "i1")])
    assert await worker.step()
    assert not await worker.step()
    await driver.check(worker)
    after = stored_rows(driver, worker)
    lineage = {user: int(row["lineage"]) for user, row in after.items()}
    assert lineage == dict.fromkeys(_USERS, INITIAL_LINEAGE) | dict.fromkeys([*touched, "new"], _RETRAINED)
    for user in set(_USERS) - set(touched):
        assert after[user].tobytes() == before[user].tobytes()
    engine = Engine(driver.settings.model, items := registered_items(driver))
    engine.update(weights)
    rebuilt = engine.recompute_states(np.stack([before[user] for user in touched]))
    kind = np.full(3, type_index("click"))
    times_ms = FIRST_MS + 1000 * np.arange(100, 103)
    batch = EventBatch(np.arange(3), np.full(3, items.slot("i2")), kind, times_ms)
    expected = engine.step(batch, rebuilt).rows
    written = np.stack([after[user] for user in touched])
    np.testing.assert_allclose(states(written), states(expected), atol=_FP16)
    for name in ("ring_item", "ring_type", "ring_gap", "steps", "last_time_ms"):
        np.testing.assert_array_equal(written[name], expected[name])
    without = engine.step(batch, np.stack([before[user] for user in touched])).rows
    assert np.abs(states(written) - states(without)).max() > 10 * _FP16
    assert worker.take_counts()["rebuilt"] == 3
    await worker.stop()


async def test_a_row_is_rebuilt_once_and_not_where_its_lineage_is_not_known(driver: WorkerDriver) -> None:
    worker = await driver.start()  # an engine that gives the initial lineage
    driver.send(events(0, 30))
    await worker.apply_all()
    layout = RowLayout(user_row_fields(driver.settings.model))
    for state in worker.partitions.values():
        stored = dict(state.store.rows())
        rows = layout.unpack(list(stored.values()))
        rows["lineage"][::2] = 0
        assert state.store.position is not None
        state.store.put_many(list(stored), layout.pack(rows), state.store.position)
    unknown = [user for user, row in stored_rows(driver, worker).items() if row["lineage"] == 0]
    await worker.stop()
    save_retrained(driver)
    await driver.train()
    worker = await driver.start(engine=None)
    for begin in (30, 60):
        driver.send(events(begin, begin + 30))
        await worker.apply_all()
    assert worker.take_counts()["rebuilt"] == 7 - len(unknown)
    assert 0 < len(unknown) < 7
    assert {int(row["lineage"]) for row in stored_rows(driver, worker).values()} == {_RETRAINED}
    comparison = await driver.compare()
    assert comparison.exact, str(comparison)
    await worker.stop()


class NewerEachStep(RowCopy):
    """Each step has newer weights than the one before."""

    def __init__(self) -> None:
        self.version = 0

    def step(
        self,
        batch: EventBatch,
        rows: NDArray[np.void],
        per: Literal["user", "event"] = "user",
        lineage: NDArray[np.uint32] | None = None,
    ) -> StepResult:
        self.version += 1
        result = super().step(batch, rows, per, lineage)
        return replace(result, predictions=replace(result.predictions, model_version=ModelVersion(7, self.version)))


async def test_a_step_that_is_retried_under_newer_weights_writes_the_same_ids(driver: WorkerDriver) -> None:
    worker = await driver.start(engine=NewerEachStep())
    driver.faults.raise_at("commit_transaction", KafkaError("spoilt"))
    driver.send([*events(0, 40), several("u1", 41, "i1", "i2")])
    await worker.apply_all()
    await driver.check(worker)
    written: dict[str, list[str]] = {"00000007.1": [], "00000007.2": []}
    for partition in range(driver.topics.partitions):
        log = driver.broker.log(TopicPartition(driver.topics.interest_predictions, partition))
        for entry in log.read(log.begin, log.end, aborted=True):
            prediction = orjson.loads((entry.record and entry.record.value) or b"")
            written[prediction["model_version"]].append(prediction["prediction_id"])
    first, second = written.values()
    assert first == second
    assert len(set(second)) == 42
    committed = driver.committed(driver.topics.interest_predictions)
    assert {orjson.loads(record.value or b"")["model_version"] for record in committed} == {"00000007.2"}
    await worker.stop()

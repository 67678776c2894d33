"""Candidates beside the model in use, promotions and rollbacks, on the driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import checkpoint
from models.items.vocabulary import ItemVocabulary
from streams.errors import StoreError
from streams.trainer.checkpoint_store import CANDIDATES, CheckpointStore
from tests.driver.driven_trainer import DrivenTrainer
from tests.driver.driven_worker import DrivenWorker
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import events
from tests.unit.models.random_weights import noisy

_LINEAGE = 0xC0FFEE01
_STEP = 50


@pytest.fixture
def driver(make_driver: Callable[..., WorkerDriver]) -> WorkerDriver:
    return make_driver("learning.max_repeats=0", "learning.min_window_s=0", "trainer.candidate_events=40")


def store_of(driver: WorkerDriver) -> CheckpointStore:
    return CheckpointStore(driver.worker_settings().checkpoint_url)


def saved(driver: WorkerDriver, folder: Path, noise: float = 1.0, version: int = 9) -> Path:
    """A checkpoint of another training, whose weights are that noisy."""
    items = ItemVocabulary(10)
    for number in range(5):
        items.add(f"i{number * 3 % 5}")
    weights = noisy(driver.settings.model, version=version)
    tensors = {name: tensor * noise for name, tensor in weights.tensors.items()}
    return checkpoint.save(folder, replace(weights, tensors=tensors, lineage=_LINEAGE), driver.settings.model, items)


class Site:
    """A worker and a trainer that go on together."""

    def __init__(self, driver: WorkerDriver, worker: DrivenWorker, trainer: DrivenTrainer) -> None:
        self._driver = driver
        self._sent = 0
        self.worker = worker
        self.trainer = trainer

    async def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self._driver.send(events(self._sent, self._sent + _STEP))
            self._sent += _STEP
            await self.worker.apply_all()
            await self.trainer.look()
            await self.trainer.observe()
            await self.trainer.learn()
            await self.worker.follow(await self.trainer.release())


@pytest.fixture
async def site(driver: WorkerDriver) -> Site:
    site = Site(driver, await driver.start(engine=None), await driver.train())
    await site.go_on(1)
    return site


async def test_a_candidate_that_is_no_worse_is_promoted_and_users_are_recomputed(
    driver: WorkerDriver, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = site.worker.engine.version
    store_of(driver).publish(saved(driver, tmp_path / "new", noise=0.0))  # as good as what has learnt nothing yet
    await site.go_on(1)
    trial = site.trainer.trial()
    assert (trial["state"], trial["model"].rpartition(".")[0]) == ("on trial", f"{_LINEAGE:08x}")
    assert site.worker.engine.version.lineage == before.lineage
    await site.go_on(8)
    trial = site.trainer.trial()
    assert trial["scored"] >= 40
    promoted = trial["state"] == "promoted"
    assert promoted == (trial["gain"] >= -0.01)
    assert (site.worker.engine.version.lineage == _LINEAGE) == promoted
    assert f"is {trial['state']}: log-probability" in caplog.text
    assert store_of(driver).manifests(CANDIDATES) == {}
    await site.worker.stop()


async def test_a_candidate_that_is_worse_is_refused(driver: WorkerDriver, site: Site, tmp_path: Path) -> None:
    await site.go_on(3)
    lineage = site.worker.engine.version.lineage
    store_of(driver).publish(saved(driver, tmp_path / "new", noise=50.0))
    await site.go_on(8)
    trial = site.trainer.trial()
    assert trial["state"] == "refused"
    assert trial["gain"] < -0.01
    assert site.worker.engine.version.lineage == lineage
    await site.worker.stop()


async def test_a_promotion_that_is_asked_for_needs_no_trial_and_counts_stay(
    driver: WorkerDriver, site: Site, tmp_path: Path
) -> None:
    store = store_of(driver)
    path = saved(driver, tmp_path / "new")
    store.publish(path)
    store.request("promote", path.name)
    counted = site.trainer.engine.experts()["popularity.counts"][-1].sum()
    await site.trainer.look()
    assert site.trainer.engine.experts()["popularity.counts"][-1].sum() == counted
    await site.worker.follow(await site.trainer.release())
    assert site.worker.engine.version == site.trainer.engine.version
    assert site.worker.engine.version.lineage == _LINEAGE
    await site.go_on(1)
    assert site.worker.take_counts()["rebuilt"] == 7
    for name, tensor in site.worker.weights().items():
        np.testing.assert_allclose(tensor, site.trainer.weights()[name], atol=1e-5, err_msg=name)
    await driver.check(site.worker)
    await site.worker.stop()


async def test_a_rollback_is_a_new_lineage_with_the_weights_of_the_checkpoint(driver: WorkerDriver, site: Site) -> None:
    await site.trainer.save()
    (name,) = store_of(driver).manifests()
    saved_weights = site.trainer.weights()
    before = site.worker.engine.version
    await site.go_on(2)
    assert site.worker.engine.version.version > before.version
    store_of(driver).request("rollback", name)
    await site.trainer.look()
    await site.worker.follow(await site.trainer.release())
    after = site.worker.engine.version
    assert after.lineage != before.lineage
    assert after.version == before.version
    for name, tensor in site.worker.weights().items():
        np.testing.assert_allclose(tensor, saved_weights[name], atol=1e-5, err_msg=name)
    await site.go_on(1)
    assert site.worker.take_counts()["rebuilt"] == 7
    await driver.check(site.worker)
    await site.worker.stop()


async def test_what_cannot_be_tried_is_named_and_the_model_stays(
    driver: WorkerDriver, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version = site.trainer.engine.version
    path = saved(driver, tmp_path / "new")
    store_of(driver).publish(path)
    stored = Path(driver.worker_settings().checkpoint_url) / CANDIDATES / path.name
    (stored / "weights.safetensors").write_bytes(b"torn")
    await site.trainer.look()
    assert f"candidate {path.name} is refused, the model in use stays" in caplog.text
    assert store_of(driver).manifests(CANDIDATES) == {}
    assert site.trainer.engine.version == version
    store_of(driver).request("rollback", "weights-00000099")
    await site.trainer.look()
    assert "weights-00000099 is not gone back to" in caplog.text
    await site.worker.stop()


async def test_a_store_that_fails_costs_neither_the_trainer_nor_the_candidate(
    driver: WorkerDriver, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("s3://models cannot be used: no route to host")

    path = saved(driver, tmp_path / "new", noise=50.0)
    store_of(driver).publish(path)
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "download", fail)
        await site.trainer.look()
    assert "candidates are not looked for" in caplog.text
    assert list(store_of(driver).manifests(CANDIDATES)) == [path.name]
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "remove", fail)
        await site.go_on(9)
    assert site.trainer.trial()["state"] == "refused"
    assert f"candidate {path.name} has ended and is to be deleted by hand" in caplog.text
    scored = site.trainer.trial()["scored"]
    await site.go_on(1)
    assert site.trainer.trial()["scored"] == scored  # it is not tried again
    await site.worker.stop()

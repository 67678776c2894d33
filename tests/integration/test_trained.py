"""Workers that start from the weights that `train` saved."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from models import checkpoint
from models.inference.predictions import ModelVersion
from streams.cli.logs.train import TrainingLog, read_log, registered_items, train
from streams.kafka.reader import read_topic
from tests.inputs import event
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.worker import poll


def log_of(folder: Path, registered: list[str] | None = None) -> TrainingLog:
    """Each user walks around a circle of ten items."""
    file = folder / "log.csv"
    rows = [f"u{n % 20},i{(n // 20 + n) % 10},{1_700_000_000 + n}" for n in range(1200)]
    file.write_text("user,item,time\n" + "\n".join(rows))
    return read_log([file], None, None, False, registered or [])[0]


async def trained(site: Deployment, log: TrainingLog) -> ModelVersion:
    """Of the weights that were trained for the deployment's workers."""
    path = train(site.settings, Console(quiet=True), log, site.settings.trainer.trained_dir)
    manifest = orjson.loads((path / "manifest.json").read_bytes())
    return ModelVersion(manifest["lineage"], manifest["version"])


async def first_predictions(site: Deployment) -> list[dict[str, Any]]:
    topic = site.settings.topics.interest_predictions
    return [orjson.loads(record.value) async for record in read_topic(site.settings.kafka, topic) if record.value]


@pytest.mark.slow
async def test_workers_start_from_trained_weights_and_then_from_what_was_released(deploy: Deploy) -> None:
    site = await deploy(
        "topics.partitions=1", "training.epochs=12", "trainer.mode=embedded", "trainer.checkpoint_interval_s=1"
    )
    log = log_of(site.folder)
    version = await trained(site, log)
    first, second = site.worker("a"), site.worker("b")
    for worker in (first, second):
        await worker.wait_for(f"model {version} of release 1")
    assert await registered_items(site.settings) == log.items[1:]
    await site.send([event("new", 1, "i3"), event("new", 2, "i4")])
    await site.applied()
    predictions = await first_predictions(site)
    assert {prediction["model_version"] for prediction in predictions} == {str(version)}
    # No event was seen here before, and yet i4's successor is known, if not yet that no item comes twice.
    assert "i5" in predictions[-1]["items"][:2]
    await site.send(round_robin_event(n, items=10) for n in range(600))
    await site.applied()
    await poll(lambda: checkpoint.exists(Path(site.settings.checkpoint_url)), "the trainer saves what it learnt")
    for worker in (first, second):
        await worker.stop()
    assert sum("training begins" in worker.text() for worker in (first, second)) == 1
    again = site.worker()
    await again.wait_for("training goes on from release")
    (learnt,) = re.findall(r"model (\S+) of release", again.text())
    lineage, number = learnt.split(".")
    assert (lineage, int(number) > version.version) == (f"{version.lineage:08x}", True)
    await again.stop()


async def test_training_for_an_existing_item_register_keeps_its_order(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1", "training.epochs=1")
    worker = site.worker()
    await site.send([event("u", 1, "unregistered"), event("u", 2, "i7")])
    await site.applied()
    await worker.stop()
    await trained(site, log_of(site.folder))
    other = site.trainer()
    assert await other.ended() == 70
    assert "train with --registered" in other.text()
    await trained(site, log_of(site.folder, await registered_items(site.settings)))
    third = site.trainer()
    await third.wait_for("training begins")
    await third.stop()
    assert (await registered_items(site.settings))[:2] == ["unregistered", "i7"]
    assert len(await registered_items(site.settings)) == 11

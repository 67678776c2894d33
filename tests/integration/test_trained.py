"""Workers that begin with what `train` has learnt."""

from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from models import checkpoint
from streams.cli.train import TrainingLog, read_log, registered_items, train
from streams.kafka.reader import read_topic
from tests.integration.deployment import Deploy, Deployment, event, event_of


def log_of(folder: Path, registered: list[str] | None = None) -> TrainingLog:
    """Each user goes round ten items."""
    file = folder / "log.csv"
    rows = [f"u{n % 20},i{(n // 20 + n) % 10},{1_700_000_000 + n}" for n in range(1200)]
    file.write_text("user,item,time\n" + "\n".join(rows))
    return read_log([file], None, None, False, registered or [])[0]


async def trained(site: Deployment, log: TrainingLog) -> int:
    """Version of the weights that were trained for the deployment's workers."""
    path = train(site.settings, Console(quiet=True), log, site.settings.worker.trained_dir)
    return int(path.name.removeprefix("weights-"))


async def first_predictions(site: Deployment) -> list[dict[str, Any]]:
    topic = site.settings.topics.interest_predictions
    return [orjson.loads(record.value) async for record in read_topic(site.servers, topic) if record.value]


async def test_workers_begin_with_the_trained_weights_and_fill_the_register(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1", "training.epochs=12", "worker.checkpoint_interval_s=1")
    log = log_of(site.folder)
    version = await trained(site, log)
    first, second = site.worker("a"), site.worker("b")
    for worker in (first, second):
        await worker.wait_for(f"weights m{version} of {site.settings.worker.trained_dir}")
    assert await registered_items(site.settings) == log.items[1:]
    await site.send([event_of("new", 1, "i3"), event_of("new", 2, "i4")])
    await site.applied()
    said = await first_predictions(site)
    assert {each["model_version"] for each in said} == {f"m{version}"}
    # Nobody has done anything here, and yet what follows i4 is known, if not yet that nothing comes twice.
    assert "i5" in said[-1]["items"][:2]
    await site.send(event(n, items=10) for n in range(600))
    await site.applied()
    for worker in (first, second):
        await worker.stop()
    again = site.worker("a")
    await again.wait_for("weights m")
    assert str(site.data_dir("a")) in again.text() or not checkpoint.exists(site.data_dir("a") / "checkpoints")
    await again.stop()


async def test_a_training_for_workers_that_run_numbers_items_as_they_do(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1", "training.epochs=1")
    worker = site.worker()
    await site.send([event_of("u", 1, "unheard-of"), event_of("u", 2, "i7")])
    await site.applied()
    await worker.stop()
    await trained(site, log_of(site.folder))
    other = site.worker("b")
    assert await other.ended() == 70
    assert "train with --registered" in other.text()
    await trained(site, log_of(site.folder, await registered_items(site.settings)))
    third = site.worker("c")
    await third.owns()
    await third.stop()
    assert (await registered_items(site.settings))[:2] == ["unheard-of", "i7"]
    assert len(await registered_items(site.settings)) == 11

"""The commands `interest-stream models …`."""

from __future__ import annotations

import asyncio
import re

import pytest
from rich.console import Console

from streams.cli.logs.train import read_log, registered_items, train
from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.worker import DEADLINE_S


async def test_the_model_in_use_and_its_checkpoints_are_listed_and_shown(deploy: Deploy) -> None:
    site = await deploy("trainer.checkpoint_interval_s=1")
    assert "no model yet" in await asyncio.to_thread(succeeds, site, "models", "list")
    assert "holds no release yet" in await asyncio.to_thread(fails, site, "models", "show")
    worker, trainer = site.worker(), site.trainer()
    await worker.owns()
    await site.send(round_robin_event(n) for n in range(400))
    await site.applied()
    await site.released()
    await trainer.stop()
    await worker.stop()
    listed = await asyncio.to_thread(succeeds, site, "models", "list")
    (in_use,) = re.findall(r"(00000001\.\d+) +in use +53 ", listed)
    assert re.search(rf"{in_use} +checkpoint +53 +weights-", listed)
    shown = await asyncio.to_thread(succeeds, site, "models", "show")
    assert shown.startswith(f"{in_use} release ")
    assert "53 items, 400 events counted" in shown


async def lineage_in_use(site: Deployment, other_than: str) -> str:
    """The lineage that is released, once it is another one."""
    while True:
        lineage = (await asyncio.to_thread(succeeds, site, "models", "show")).partition(".")[0]
        if lineage != other_than:
            return lineage
        await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_trained_model_is_published_promoted_and_rolled_back(deploy: Deploy) -> None:
    site = await deploy("trainer.checkpoint_interval_s=1", "training.epochs=1", "model.allow_repeats=true")
    worker, trainer = site.worker(), site.trainer()
    await site.send(round_robin_event(n) for n in range(300))
    await site.applied()
    await site.released()
    file = site.folder / "log.csv"
    file.write_text("user,item,time\n" + "\n".join(f"u{n % 20},i{n * 7 % 53},{1_700_000_000 + n}" for n in range(600)))
    log = read_log([file], None, None, False, await registered_items(site.settings))[0]
    path = train(site.settings, Console(quiet=True), log, site.folder / "new")
    published = await asyncio.to_thread(succeeds, site, "models", "publish", str(site.folder / "new"))
    assert f"{path.name} is a candidate" in published
    assert "there are: " in await asyncio.to_thread(fails, site, "models", "rollback", "weights-99999999")
    await trainer.wait_for("is on trial beside 00000001.")
    await asyncio.to_thread(succeeds, site, "models", "promote", path.name)
    async with asyncio.timeout(DEADLINE_S):
        promoted = await lineage_in_use(site, other_than="00000001")
        listed = await asyncio.to_thread(succeeds, site, "models", "list")
        assert re.search(rf"{promoted}\.\d+ +in use", listed)
        assert re.search(rf"{promoted}\.\d+ +trial +promoted over \d+ events", listed)
        name = re.findall(r"00000001\.\d+ +checkpoint +53 +(weights-\d+)", listed)[0]
        await asyncio.to_thread(succeeds, site, "models", "rollback", name)
        assert await lineage_in_use(site, other_than=promoted) not in ("00000001", promoted)
    await site.send(round_robin_event(n) for n in range(300, 600))
    await site.applied()
    await worker.stop()
    await trainer.stop()
    await site.check(stopped=["a"])

"""The commands `interest-stream models …`."""

from __future__ import annotations

import asyncio
import re

from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deploy, round_robin_event


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

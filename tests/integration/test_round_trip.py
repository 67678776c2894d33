from __future__ import annotations

from tests.integration.deployment import Deploy, event


async def test_every_event_counts_once(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker()
    await site.send(event(n) for n in range(2000))
    await site.finish(worker)
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == 2000

"""What workers show of themselves over HTTP."""

from __future__ import annotations

from streams.monitoring.probe import ask
from tests.integration.deployment import Deploy, round_robin_event
from tests.integration.engines import Sleeping
from tests.integration.scraping import free_port, sample, scrape
from tests.integration.worker import poll


async def test_a_stuck_worker_and_its_successor_over_http(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=3", "monitoring.live_timeout_s=1")
    with free_port() as port:
        stuck = site.worker("a", engine=Sleeping, overrides=[f"monitoring.port={port}"])
        await poll(lambda: ask(port, "ready").reason == "starting", "a worker that starts is not ready")
        await poll(lambda: ask(port, "ready").ok, "partitions are open")
        assert "own partitions" in stuck.text()
        assert ask(port, "live") == (True, "nothing to do")
        records = [round_robin_event(n) for n in range(300)] + [(b"u1", b"{")] * 4
        await site.send(records)
        await poll(lambda: not ask(port, "live").ok, "events wait for a step that never ends")
        assert ask(port, "live").reason.startswith("a step is in work, and nothing was committed for ")

        taken = site.worker("b", overrides=[f"monitoring.port={port}"])
        assert await taken.ended() == 70
        last = taken.text().strip().splitlines()[-1]
        assert f"at 127.0.0.1:{port} (" in last
        assert "set monitoring.port to a port that is free" in last
        stuck.kill()

        successor = site.worker("a", overrides=[f"monitoring.port={port}"])
        await site.applied()
        await poll(lambda: ask(port, "ready").ok, "partitions are open")
        # Counted a moment after the commit
        await poll(lambda: scrape(port)[sample("interest_events_total")] == 300, "all events are counted")
        samples = scrape(port)
        assert samples[sample("interest_predictions_total")] == 300
        assert samples[sample("interest_rejected_records_total", reason="not_json")] == 4
        lags = [samples[sample("interest_partition_lag_records", partition=str(p))] for p in range(3)]
        assert lags == [0, 0, 0]
        assert samples[sample("interest_ready")] == 1
        await successor.stop()
        assert ask(port, "live").reason.startswith("no answer")
    await site.check(stopped=["a"])

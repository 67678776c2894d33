"""One measurement: users into the topic, a server that reads them, load, a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.web.http_load import quantile, run_load
from bench.web.predictions import fill, keep_predicting
from models.progress import ProgressCallback
from streams.kafka.publisher import Publisher
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.monitoring.probe import ask
from streams.settings.settings import load_settings
from streams.worker.process.launcher import WorkerProcess

_READY_S = 3600.0


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """Latency at a fixed rate."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    answered: int
    cpu_share: float
    """Of a core"""


@dataclass(frozen=True, slots=True)
class WebFigures:
    """What came out."""

    users: int
    read_s: float
    """From the server's start until all predictions are in its view"""
    read_cpu_s: float
    restart_s: float
    """From the start until it is ready, with a view"""
    memory_mib: float
    """Resident, after the load"""
    view_mib: float
    """On disk"""
    p50_ms: float
    p99_ms: float
    max_ms: float
    answered: int
    load_cpu_share: float
    """Of a core, with the predictions that came meanwhile"""
    decisions: LoadFigures | None
    """Of decisions, each in its topic when it is answered; None: none were asked for"""
    core_wait_share: float | None
    """Of the time in which the server waited for a core that others used: what latency owes to them; None: not known"""


def measure(
    users: int,
    rate_per_s: float,
    seconds: float,
    predictions_per_s: float,
    decisions_per_s: float,
    policy: str,
    on_step: ProgressCallback,
) -> WebFigures:
    """Runs all of it on a Kafka of its own. Raises StreamError, BenchError."""
    with LocalKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        overrides = [
            f"kafka.bootstrap_servers={kafka.bootstrap_servers}",
            f"web.data_dir={folder}/web",
            "web.requests_per_s=0",
            f"policy.kinds={policy}",
        ]
        rates = rate_per_s, predictions_per_s, decisions_per_s
        return asyncio.run(_measure(Path(folder), overrides, users, rates, seconds, on_step))


async def _measure(
    folder: Path,
    overrides: list[str],
    users: int,
    rates_per_s: tuple[float, float, float],
    seconds: float,
    on_step: ProgressCallback,
) -> WebFigures:
    settings, (rate_per_s, predictions_per_s, decisions_per_s) = load_settings(None, overrides), rates_per_s
    await ensure_topics(settings)
    await ensure_topics(settings, [settings.topics.interest_decisions])
    async with Publisher(settings.kafka, settings.topics.interest_predictions) as publisher:
        await fill(publisher, users)
        on_step(1, 4)
        server = WorkerProcess(overrides, folder / "web.log", command="web")
        try:
            read_s = await _start(server)
            process = psutil.Process(server.pid)
            read_cpu_s = _cpu_s(process)
            on_step(2, 4)
            predicting = asyncio.create_task(keep_predicting(publisher, users, predictions_per_s))
            try:
                begin_s, begin_cpu_s, begin_wait_s = time.perf_counter(), _cpu_s(process), _core_wait_s(server.pid)
                generator = random.Random(2)
                paths = [
                    f"/v1/users/user-{generator.randrange(users)}/interests" for _ in range(int(rate_per_s * seconds))
                ]
                latencies_s = await run_load(server.monitoring_port, paths, rate_per_s)
                taken_s = time.perf_counter() - begin_s
                share = (_cpu_s(process) - begin_cpu_s) / taken_s
                wait_s = _core_wait_s(server.pid)
                waited = None if begin_wait_s is None or wait_s is None else (wait_s - begin_wait_s) / taken_s
                decisions = None
                if decisions_per_s:
                    decisions = await _decisions(server.monitoring_port, process, users, decisions_per_s, seconds)
            finally:
                predicting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await predicting
            on_step(3, 4)
            memory_mib = process.memory_info().rss / 2**20
        finally:
            server.stop()
        restarted = WorkerProcess(overrides, folder / "web.log", command="web")
        try:
            restart_s = await _start(restarted)
        finally:
            restarted.stop()
        on_step(4, 4)
    view = folder / "web" / "view"
    view_mib = sum(path.stat().st_size for path in view.iterdir()) / 2**20
    return WebFigures(
        users,
        read_s,
        read_cpu_s,
        restart_s,
        memory_mib,
        view_mib,
        1000 * quantile(latencies_s, 0.5),
        1000 * quantile(latencies_s, 0.99),
        1000 * max(latencies_s),
        len(latencies_s),
        share,
        decisions,
        waited,
    )


async def _decisions(port: int, process: psutil.Process, users: int, rate_per_s: float, seconds: float) -> LoadFigures:
    """Decisions for users at random."""
    generator = random.Random(3)
    paths = [f"/v1/users/user-{generator.randrange(users)}/decisions" for _ in range(int(rate_per_s * seconds))]
    await run_load(port, paths[:1], 1.0, b"{}")  # opens the producer
    begin_s, begin_cpu_s = time.perf_counter(), _cpu_s(process)
    latencies_s = await run_load(port, paths, rate_per_s, b'{"size": 5}')
    cpu_share = (_cpu_s(process) - begin_cpu_s) / (time.perf_counter() - begin_s)
    p50_ms, p99_ms = (1000 * quantile(latencies_s, share) for share in (0.5, 0.99))
    return LoadFigures(p50_ms, p99_ms, 1000 * max(latencies_s), len(latencies_s), cpu_share)


async def _start(server: WorkerProcess) -> float:
    """Seconds until it is ready; on one core, where the system can hold it there."""
    begin_s = time.perf_counter()
    server.start()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
    await server.wait_ready(_READY_S)
    while not (await asyncio.to_thread(ask, server.monitoring_port, "ready")).ok:
        server.check()
        await asyncio.sleep(0.02)
    return time.perf_counter() - begin_s


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _core_wait_s(pid: int) -> float | None:
    """How long the process's main thread was ready to run and did not; None where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None

"""Throughput: what an event costs under a backlog, in the worker and in programs that do its work in other ways."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from bench.errors import BenchError
from bench.throughput.backlog import Backlog, count_records, create_topics, produce
from bench.throughput.peer_process import run_peer
from bench.throughput.peers.job import Job
from bench.throughput.report import Report, Result, machine, ratios
from models.progress import ProgressCallback

_WARMUP = 0.1


@dataclass(frozen=True, slots=True)
class Contender:
    """A program to be measured."""

    name: str
    module: str
    about: str
    share: float = 1.0
    """Part of the backlog that it applies: the slow ones need less of it to be measured well."""
    variant: str = ""
    creates_topics: bool = False
    """Makes the topics that it writes itself."""


CONTENDERS = (
    Contender(
        "idiomatic_faust",
        "bench.throughput.peers.idiomatic_faust",
        "Faust as its tutorial writes it, one event at a time",
        0.1,
    ),
    Contender("floor", "bench.throughput.peers.floor", "aiokafka and rocksdict in batches, no Faust, no transaction"),
    Contender(
        "batch_path",
        "bench.throughput.peers.batch_path",
        "the worker, its model replaced by a copy of the row",
        variant="copy",
        creates_topics=True,
    ),
    Contender(
        "worker",
        "bench.throughput.peers.batch_path",
        "the worker with its model, learning",
        0.25,
        "model",
        creates_topics=True,
    ),
)
PAIRS = (
    ("idiomatic_faust", "batch_path"),
    ("idiomatic_faust", "worker"),
    ("batch_path", "floor"),
    ("worker", "batch_path"),
)


def choose(names: Sequence[str]) -> list[Contender]:
    """The contenders of these names; all where there are none. Raises BenchError for an unknown name."""
    known = {contender.name: contender for contender in CONTENDERS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"no program is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [contender for contender in CONTENDERS if not names or contender.name in names]


def compare(
    bootstrap_servers: str,
    contenders: Sequence[Contender],
    backlog: Backlog,
    row_bytes: int,
    progress_of: Callable[[str], ProgressCallback],
) -> Report:
    """Each contender's cost on the same topic, one after the other.

    `progress_of` makes the callback of each part by its name.
    """
    run = f"bench-{uuid4().hex[:8]}"
    source = f"{run}-user-events"

    def job(contender: Contender, folder: str) -> Job:
        events = int(backlog.events * contender.share)
        return Job(
            bootstrap_servers=bootstrap_servers,
            source=source,
            run=f"{run}-{contender.name}",
            partitions=backlog.partitions,
            events=events,
            warmup_events=int(events * _WARMUP),
            folder=folder,
            row_bytes=row_bytes,
            variant=contender.variant,
        )

    topics = {source: "delete"}
    for asked in (job(contender, "") for contender in contenders if not contender.creates_topics):
        topics |= {asked.predictions: "delete", asked.changelog: "compact"}
    asyncio.run(_prepare(bootstrap_servers, source, topics, backlog, progress_of("backlog")))
    results = []
    for contender in contenders:
        with tempfile.TemporaryDirectory(prefix="interest-bench-") as folder:
            results.append(_measure(contender, job(contender, folder), progress_of(contender.name)))
    workload: dict[str, str | int | float] = {
        "events": backlog.events,
        "users": backlog.users,
        "skew": backlog.skew,
        "partitions": backlog.partitions,
        "row_bytes": row_bytes,
    }
    return Report(machine(), workload, results, ratios(results, PAIRS))


async def _prepare(
    bootstrap_servers: str, source: str, topics: dict[str, str], backlog: Backlog, on_progress: ProgressCallback
) -> None:
    await create_topics(bootstrap_servers, backlog.partitions, topics)
    await produce(bootstrap_servers, source, backlog, on_progress)


def _measure(contender: Contender, job: Job, on_progress: ProgressCallback) -> Result:
    on_progress(0, job.events)
    measurement = run_peer(contender.module, job, on_progress)
    on_progress(job.events, job.events)
    written = asyncio.run(count_records(job.bootstrap_servers, job.predictions, job.partitions))
    return Result.of(contender.name, contender.about, measurement, written / measurement.applied)

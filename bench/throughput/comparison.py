"""Measure the worker and other programs that do its work, one after the other, on the same backlog."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args
from uuid import uuid4

from bench.errors import BenchError
from bench.machine import machine_info
from bench.throughput.backlog import Backlog, count_records, create_topics, produce
from bench.throughput.peer_process import run_peer
from bench.throughput.peers.job import Job
from bench.throughput.report import ProgramResult, ThroughputReport, cost_ratios
from models.progress import ProgressCallback
from streams.settings.sections import Compression

_WARMUP_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """A program to measure."""

    name: str
    module: str
    about: str
    share: float = 1.0
    """Share of the backlog that it applies; slow programs need fewer events."""
    variant: str = ""
    creates_topics: bool = False
    """Whether it creates the topics that it writes."""
    compression: Compression = "lz4"
    """Codec of what it writes, if it is the worker."""


PROGRAMS = (
    Program(
        "idiomatic_faust",
        "bench.throughput.peers.idiomatic_faust",
        "Faust as its tutorial writes it, one event at a time",
        0.1,
    ),
    Program("floor", "bench.throughput.peers.floor", "aiokafka and rocksdict in batches, no Faust, no transaction"),
    Program(
        "batch_path",
        "bench.throughput.peers.batch_path",
        "the worker, its model replaced by a copy of the row",
        variant="copy",
        creates_topics=True,
    ),
    Program(
        "worker",
        "bench.throughput.peers.batch_path",
        "the worker with its model, and a trainer beside it",
        0.25,
        "model",
        creates_topics=True,
    ),
)
CODECS: tuple[Compression, ...] = get_args(Compression)
RATIO_PAIRS = (
    ("idiomatic_faust", "batch_path"),
    ("idiomatic_faust", "worker"),
    ("batch_path", "floor"),
    ("worker", "batch_path"),
)


def choose_programs(names: Sequence[str]) -> list[Program]:
    """The programs of these names; all programs without names. Raises BenchError for an unknown name."""
    known = {program.name: program for program in PROGRAMS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"no program is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [program for program in PROGRAMS if not names or program.name in names]


def by_codec(codecs: Sequence[str]) -> list[Program]:
    """The worker with its model, once for each codec of what it writes. Raises BenchError for an unknown codec."""
    if unknown := [codec for codec in codecs if codec not in CODECS]:
        raise BenchError(f"no codec is called {', '.join(unknown)}; there are {', '.join(CODECS)}")
    (worker,) = choose_programs(["worker"])
    return [
        replace(worker, name=f"worker_{codec}", about=f"the worker, writing {codec}", compression=codec)
        for codec in CODECS
        if codec in codecs
    ]


def compare(
    bootstrap_servers: str,
    kafka_data: Path | None,
    programs: Sequence[Program],
    backlog: Backlog,
    row_bytes: int,
    progress_of: Callable[[str], ProgressCallback],
) -> ThroughputReport:
    """Measure each program on the same topic; `progress_of` makes the progress callback of a program by its name.

    `kafka_data` is the data folder of the only broker, where that is on this machine.
    """
    run = f"bench-{uuid4().hex[:8]}"
    source = f"{run}-user-events"

    def job(program: Program, folder: str) -> Job:
        events = int(backlog.events * program.share)
        return Job(
            bootstrap_servers=bootstrap_servers,
            source=source,
            run=f"{run}-{program.name}",
            partitions=backlog.partitions,
            events=events,
            warmup_events=int(events * _WARMUP_SHARE),
            folder=folder,
            row_bytes=row_bytes,
            variant=program.variant,
            compression=program.compression,
        )

    topics = {source: "delete"}
    for planned in (job(program, "") for program in programs if not program.creates_topics):
        topics |= {planned.predictions: "delete", planned.changelog: "compact"}
    asyncio.run(_prepare(bootstrap_servers, source, topics, backlog, progress_of("backlog")))
    results = []
    for program in programs:
        with tempfile.TemporaryDirectory(prefix="interest-bench-") as folder:
            results.append(_measure(program, job(program, folder), kafka_data, progress_of(program.name)))
    workload: dict[str, str | int | float] = {
        "events": backlog.events,
        "users": backlog.users,
        "skew": backlog.skew,
        "partitions": backlog.partitions,
        "row_bytes": row_bytes,
    }
    return ThroughputReport(machine_info(), workload, results, cost_ratios(results, RATIO_PAIRS))


async def _prepare(
    bootstrap_servers: str, source: str, topics: dict[str, str], backlog: Backlog, on_progress: ProgressCallback
) -> None:
    await create_topics(bootstrap_servers, backlog.partitions, topics)
    await produce(bootstrap_servers, source, backlog, on_progress)


def _measure(program: Program, job: Job, kafka_data: Path | None, on_progress: ProgressCallback) -> ProgramResult:
    on_progress(0, job.events)
    measurement = run_peer(program.module, job, on_progress)
    on_progress(job.events, job.events)
    output_records = asyncio.run(count_records(job.bootstrap_servers, job.predictions, job.partitions))
    written_bytes = None if kafka_data is None else _log_bytes(kafka_data, f"{job.run}-")
    return ProgramResult.of(program.name, program.about, measurement, output_records, written_bytes)


def _log_bytes(kafka_data: Path, prefix: str) -> int:
    """Bytes of the topics whose names begin so, as they lie on disk."""
    return sum(file.stat().st_size for file in kafka_data.glob(f"{prefix}*/*.log"))

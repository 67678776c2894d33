"""The command `python -m bench throughput`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.throughput.backlog import Backlog
from bench.throughput.comparison import CODECS, PROGRAMS, by_codec, choose_programs, compare
from models.config import ModelConfig
from models.data.user_row import user_row_fields
from models.progress import ProgressCallback
from state.rows import RowLayout
from streams.errors import KafkaStartError
from streams.local_kafka.cluster import LocalKafka

_screen = Console()


def throughput(
    events: Annotated[
        int, typer.Option(min=10_000, help="Events in the backlog; the slow programs apply part of it.")
    ] = 200_000,
    users: Annotated[int, typer.Option(min=1, help="Users that the events are drawn from.")] = 10_000,
    skew: Annotated[
        float,
        typer.Option(min=0, help="Exponent of Zipf's law over the users: 0 is uniform, 1.1 is like real traffic."),
    ] = 0.0,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of every topic.")] = 8,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Measure only this program, once or more: {', '.join(p.name for p in PROGRAMS)}."),
    ] = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(help=f"Measure the worker alone, writing with this codec, once or more: {', '.join(CODECS)}."),
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(help="host:port of a running Kafka; topics named bench-… stay in it.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """CPU time per event under a backlog: µs of the worker process, and the ratios between programs.

    A Kafka is started on this machine (Java 17 or newer; Maven fetches the jars
    once) unless --kafka names one. The backlog is produced once; each program then
    consumes the same topic as a process of its own, from the first event to the
    last. CPU time is that of all its threads, user and system, between the first
    tenth of the events and the end; Kafka's own is not in it. Every program decodes
    JSON, reads and writes the user's state row and its changelog record, and sends
    one JSON prediction per event.
    """
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it warns of each retry, new topics cause some
    try:
        if codec and only:
            raise BenchError("--codec measures the worker alone: leave out --only")
        programs = by_codec(codec) if codec else choose_programs(only or [])
        with _broker(kafka) as (servers, kafka_data), _progress() as progress_of:
            report = compare(
                servers,
                kafka_data,
                programs,
                Backlog(events, users, skew, partitions),
                RowLayout(user_row_fields(ModelConfig())).size,
                progress_of,
            )
    except (BenchError, KafkaStartError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    _screen.print(report.table())
    for line in report.lines():
        _screen.print(line, highlight=False)
    if json is not None:
        report.save(json)


@contextmanager
def _broker(kafka: str | None) -> Iterator[tuple[str, Path | None]]:
    if kafka is not None:
        yield kafka, None
        return
    with ExitStack() as stack:
        with _screen.status("starting Kafka"):
            local = stack.enter_context(LocalKafka())
        yield local.bootstrap_servers, local.nodes[0].folder / "data"


@contextmanager
def _progress() -> Iterator[Callable[[str], ProgressCallback]]:
    columns = TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_screen) as progress:

        def progress_of(name: str) -> ProgressCallback:
            task: TaskID = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield progress_of

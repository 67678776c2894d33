"""The command `python -m bench quality`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.quality.datasets import FOLDER, LOGS, load
from bench.quality.event_time import PERIODS, with_event_time
from bench.quality.protocols import PROTOCOLS, evaluate, split_events
from bench.quality.report import (
    DEFAULT_PROTOCOL,
    DEFAULT_SCORERS,
    SCORERS,
    QualityReport,
    WorkerOptions,
    compute_figures,
    make_scorers,
    merge_results,
)
from models.errors import ModelError
from models.progress import ProgressCallback
from streams.errors import SettingsError

_screen = Console()


def quality(
    data: Annotated[
        list[str],
        typer.Option(
            help=f"A log, once or more: {', '.join(LOGS)}, or the path of a file that `interest-stream replay` reads."
        ),
    ],
    protocol: Annotated[str, typer.Option(help=f"Evaluation protocol: {', '.join(PROTOCOLS)}.")] = DEFAULT_PROTOCOL,
    scorer: Annotated[
        list[str] | None,
        typer.Option(help=f"Score only this one, once or more: {', '.join(SCORERS)}."),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Events of a micro-batch of the worker.")
    ] = WorkerOptions.batch_events,
    trained: Annotated[
        bool,
        typer.Option(
            "--trained",
            help="Train the workers offline on the first 60 % of the events (on all events before the scored ones if "
            "those are not learnt); otherwise they start untrained.",
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the workers; may be repeated."),
    ] = None,
    restart: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="EVENTS", help="Restart the worker's learner from a checkpoint each so many events."
        ),
    ] = None,
    float32_rows: Annotated[
        bool, typer.Option("--float32-rows", help="Keep users' states in single instead of half precision.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the worker's weights and training.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the worker's computation.")] = 1,
    event_time: Annotated[
        str | None,
        typer.Option(
            metavar="PERIOD",
            help=f"Let the network read when events happened, in place of their types: {', '.join(PERIODS)}.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events of each log.")] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[Path | None, typer.Option(help="Merge the figures into this file.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Draw pictures into this folder.")] = None,
) -> None:
    """Prediction quality of the worker and of count-based baselines on event logs.

    The log is replayed in order of time: each event's item is ranked among the items
    that have appeared so far, scored, and only then learnt. A new item is a miss;
    items that the user had are excluded if no user of the log has an item twice;
    ties share their mean rank. Log-loss and AUC are over the events whose item was a
    candidate. Errors are standard errors of paired differences, resampled by users.
    """
    options = WorkerOptions(batch, seed, threads, trained, tuple(set_ or ()), restart, float32_rows)
    try:
        if event_time and (json or pictures):
            raise BenchError("--event-time is to compare inputs: leave out --json and --pictures")
        for name in data:
            report = _score(name, logs, limit, protocol, list(scorer or DEFAULT_SCORERS), options, event_time)
            _screen.print(report.table())
            differences = report.difference_table()
            if differences is not None:
                _screen.print(differences)
            if json is not None:
                merge_results(json, report.to_json())
            if pictures is not None:
                _draw(report, pictures)
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


def _score(
    name: str,
    folder: Path,
    limit: int | None,
    protocol: str,
    names: list[str],
    options: WorkerOptions,
    event_time: str | None,
) -> QualityReport:
    with _screen.status(f"reading {name}"):
        dataset = load(name, folder, limit)
    if event_time is not None:
        dataset = with_event_time(dataset, event_time)
    split = split_events(dataset, protocol)
    report = QualityReport(dataset, protocol)
    with _progress() as progress_of:
        for scorer in make_scorers(dataset, names, options):
            start_s = time.process_time()
            result = evaluate(dataset, split, scorer, progress_of(scorer.name))
            report.add(scorer.name, result, compute_figures(result, options, time.process_time() - start_s))
    return report


def _draw(report: QualityReport, folder: Path) -> None:
    # Imported here because it takes half a second.
    from bench.quality.pictures import save_pictures

    for file in save_pictures(report, folder):
        _screen.print(f"drew {file}", highlight=False)


@contextmanager
def _progress() -> Iterator[Callable[[str], ProgressCallback]]:
    columns = TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_screen, transient=True) as progress:

        def progress_of(name: str) -> ProgressCallback:
            task: TaskID = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield progress_of

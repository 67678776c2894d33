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
from bench.quality.protocols import PROTOCOLS, plan, replay
from bench.quality.report import DEFAULT_PROTOCOL, DEFAULT_SCORERS, SCORERS, Effort, LogReport, figures, merge, scorers
from models.errors import ModelError
from models.progress import ProgressCallback
from streams.errors import SettingsError

_screen = Console()


def quality(
    data: Annotated[
        list[str], typer.Option(help=f"A log, once or more: {', '.join(LOGS)}, or the path of a file like replay's.")
    ],
    protocol: Annotated[str, typer.Option(help=f"How it is scored: {', '.join(PROTOCOLS)}.")] = DEFAULT_PROTOCOL,
    scorer: Annotated[
        list[str] | None,
        typer.Option(help=f"Score only this one, once or more: {', '.join(SCORERS)}."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Events in one step of the worker.")] = Effort.batch_events,
    trained: Annotated[
        bool,
        typer.Option(
            "--trained",
            help="Train the workers on the first 60 % (where the scored part is not learnt: on the past) beforehand; "
            "without, they learn from nothing in the pass that is scored.",
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the workers; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the worker's weights and learning.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the worker's computation.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events of each log.")] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[Path | None, typer.Option(help="Merge the figures into this file.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Draw pictures into this folder.")] = None,
) -> None:
    """How well the worker predicts a log, beside the counters that a team already has.

    The log is replayed in order of time: every event is ranked among the items met
    so far, scored, and only then learnt. An item never met before is a miss; items
    that the user had are left out where no user of the log comes back to one; equals
    share the mean of their places. Log-loss and AUC are over the events whose item
    was a candidate. Errors are standard errors of paired differences, resampled by
    users.
    """
    effort = Effort(batch, seed, threads, trained, tuple(set_ or ()))
    try:
        for name in data:
            report = _score(name, logs, limit, protocol, list(scorer or DEFAULT_SCORERS), effort)
            _screen.print(report.table())
            compared = report.difference_table()
            if compared is not None:
                _screen.print(compared)
            if json is not None:
                merge(json, report.results())
            if pictures is not None:
                _draw(report, pictures)
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


def _score(name: str, folder: Path, limit: int | None, protocol: str, names: list[str], effort: Effort) -> LogReport:
    with _screen.status(f"reading {name}"):
        dataset = load(name, folder, limit)
    planned = plan(dataset, protocol)
    report = LogReport(dataset, protocol)
    with _progress() as progress_of:
        for scored in scorers(dataset, names, effort):
            began = time.process_time()
            outcome = replay(dataset, planned, scored, progress_of(scored.name))
            report.add(scored.name, outcome, figures(outcome, effort, time.process_time() - began))
    return report


def _draw(report: LogReport, folder: Path) -> None:
    # It takes half a second to import, which other runs needn't wait for.
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

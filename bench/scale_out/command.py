"""The command `python -m bench scale-out`."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.quality.datasets import FOLDER, LoggedEvents, dataset_of, load_events
from bench.scale_out import report
from bench.scale_out.kafka_quality import KafkaQuality, mean_of, measure_quality
from bench.scale_out.replay import measure_replay
from models.errors import ModelError
from models.progress import ProgressCallback
from streams.errors import StreamError
from streams.settings.recipes import DEFAULT
from streams.settings.settings import recipe_settings

_screen = Console()


def scale_out(
    data: Annotated[
        str, typer.Option(help="A known log, or the path of a file that `interest-stream replay` reads.")
    ] = "ml-100k",
    workers: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Number of workers; may be repeated (default: 1, 4 and 16; with Kafka 1, 2 and 4)."),
    ] = None,
    alone: Annotated[bool, typer.Option(help="Also workers that learn and count alone.")] = True,
    kafka: Annotated[bool, typer.Option("--kafka", help="Only the part through Kafka.")] = False,
    rate: Annotated[float, typer.Option(min=1, help="Events per second through Kafka.")] = 2500.0,
    runs: Annotated[int, typer.Option(min=1, help="Runs through Kafka with each number of workers.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, and of which users a worker has.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events of the log.")] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures into this file; what was not measured stays in it.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw recall by workers into this PNG file.")] = None,
) -> None:
    """Prediction quality by the number of workers among which users are split.

    First without Kafka and from nothing: each event of the log in order of time is scored, then stepped, by the worker
    of its user. With one trainer, that one learns and counts the committed rows of all, and releases weights and counts
    each 1 024, pairs of items each 4 000 events; in between each worker counts its own. Beside it, workers that learn
    and count alone.

    Then through a Kafka on this machine, from nothing too: worker processes and one trainer, the log sent at a fixed
    rate; each committed prediction is scored by the user's next event. On a machine that is busy the trainer learns
    less.
    """
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it warns of each retry, new topics cause some
    figures: report.Figures = {}
    try:
        with _screen.status(f"reading {data}"):
            log = load_events(data, logs, limit)
        with _progress() as progress:
            if not kafka:
                settings = recipe_settings(DEFAULT, ())
                model = replace(settings.model, seed=seed, threads=1)
                numbers = sorted(set(workers or [1, 4, 16]))
                figures |= measure_replay(
                    dataset_of(log), model, settings.learning, numbers, alone, lambda name: _callback(progress, name)
                )
                figures |= report.about_replay(log.name, seed)
            figures |= _measure_kafka(progress, log, sorted(set(workers or [1, 2, 4])), rate, runs)
    except (BenchError, ModelError, StreamError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    _screen.print(report.quality_table(figures, log.name))
    if json is not None:
        figures = report.save(figures, json)
    if picture is not None:
        report.draw(figures, picture)


def _measure_kafka(progress: Progress, log: LoggedEvents, numbers: list[int], rate: float, runs: int) -> report.Figures:
    by_workers = {}
    for number in numbers:
        results: list[KafkaQuality] = []
        for run in range(1, runs + 1):
            on_progress = _callback(progress, f"{number} workers, Kafka, run {run}")
            on_progress(0, len(log.events))
            results.append(measure_quality(log, number, rate, on_progress))
            result = results[-1]
            progress.console.print(
                f"{number} workers, run {run}: recall@10 {result.recall_at_10:.4f}, MRR {result.mrr:.4f}, "
                f"{result.events_per_s:.0f} events/s",
                highlight=False,
            )
        by_workers[str(number)] = mean_of(results)
    return {"kafka": by_workers} | report.about_kafka(log.name, len(log.events), rate, runs)


def _progress() -> Progress:
    columns = TextColumn("{task.description:26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=_screen)


def _callback(progress: Progress, name: str) -> ProgressCallback:
    task: TaskID = progress.add_task(name, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)

"""The command `python -m bench scale-out`."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.quality.datasets import FOLDER, LoggedEvents, dataset_of, load_events
from bench.scale_out import report
from bench.scale_out.kafka_quality import KafkaQuality, mean_of, measure_quality
from bench.scale_out.releases.release_lag import WARMUP_S, measure_releases
from bench.scale_out.replay.measurement import measure_disturbed, measure_replay
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
    replay: Annotated[
        bool, typer.Option("--replay", help="Only what these options name: quality without Kafka.")
    ] = False,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Only what these options name: quality through Kafka.")
    ] = False,
    releases: Annotated[
        bool, typer.Option("--releases", help="Only what these options name: lag and cost of releases.")
    ] = False,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Only what these options name: quality through faults.")
    ] = False,
    disturb_events: Annotated[int, typer.Option(min=1000, help="Events from one fault to the next.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, help="Events per second through Kafka.")] = 2500.0,
    runs: Annotated[int, typer.Option(min=1, help="Runs through Kafka with each number of workers.")] = 3,
    row_rate: Annotated[
        list[float] | None,
        typer.Option(min=1, help="Committed rows per second, for releases; may be repeated (default: 1000 and 5000)."),
    ] = None,
    items: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Registered items, for releases; may be repeated (default: 10000 and 200000)."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=5, help="Measured time of each rate and number of items.")] = 30.0,
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

    Then without Kafka again: two workers and a trainer to which the same happens each 10 000 events. Users are dealt
    out anew; workers, or the trainer, start anew from the releases; weights get another lineage, so that every user's
    state is recomputed; weights go back to a checkpoint.

    At last releases: rows as workers commit them come at a fixed rate, items drawn by Zipf's law, without predictions;
    a trainer learns them, and a process with a worker's model follows it.
    """
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it warns of each retry, new topics cause some
    figures: report.Figures = {}
    every = not (replay or kafka or disturbed or releases)
    try:
        with _progress() as progress:
            log = load_events(data, logs, limit) if replay or kafka or disturbed or every else None
            if log is not None and (replay or every):
                settings = recipe_settings(DEFAULT, ())
                model = replace(settings.model, seed=seed, threads=1)
                numbers = sorted(set(workers or [1, 4, 16]))
                figures |= measure_replay(
                    dataset_of(log), model, settings.learning, numbers, alone, lambda name: _callback(progress, name)
                )
                figures |= report.about_replay(log.name, seed)
            if log is not None and (kafka or every):
                figures |= _measure_kafka(progress, log, sorted(set(workers or [1, 2, 4])), rate, runs)
            if log is not None and (disturbed or every):
                settings = recipe_settings(DEFAULT, ())
                model = replace(settings.model, seed=seed, threads=1)
                dataset, learning = dataset_of(log), settings.learning
                figures["disturbed"] = measure_disturbed(
                    dataset, model, learning, disturb_events, lambda name: _callback(progress, name)
                )
                figures |= report.about_disturbed(log.name, len(log.events), disturb_events)
            if releases or every:
                figures |= _measure_releases(
                    progress, row_rate or [1000.0, 5000.0], items or [10_000, 200_000], seconds
                )
    except (BenchError, ModelError, StreamError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    if log is not None:
        _screen.print(report.quality_table(figures, log.name))
    if "releases" in figures:
        _screen.print(report.release_table(figures["releases"]))
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


def _measure_releases(progress: Progress, rates: list[float], numbers: list[int], seconds: float) -> report.Figures:
    rows = []
    for items in numbers:
        for rate in rates:
            on_progress = _callback(progress, f"{items} items, {rate:g} rows/s")
            on_progress(0, int(WARMUP_S + seconds))
            rows.append(asdict(measure_releases(rate, items, seconds, on_progress)))
    return {"releases": rows} | report.about_releases(seconds)


def _progress() -> Progress:
    columns = TextColumn("{task.description:27}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=_screen)


def _callback(progress: Progress, name: str) -> ProgressCallback:
    task: TaskID = progress.add_task(name, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)

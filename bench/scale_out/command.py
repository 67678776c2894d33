"""The command `python -m bench scale-out`."""

from __future__ import annotations

import json as json_module
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.errors import BenchError
from bench.machine import machine_info
from bench.quality import metrics
from bench.quality.datasets import FOLDER, Dataset, load
from bench.quality.protocols import evaluate, split_events
from bench.scale_out.lone_scorer import LoneScorer
from bench.scale_out.shared_scorer import SharedScorer
from models.errors import ModelError
from models.progress import ProgressCallback
from streams.errors import SettingsError
from streams.settings.recipes import DEFAULT
from streams.settings.settings import Settings, recipe_settings

_PROTOCOL = "prequential"
_LABELS = {"replay": "one trainer", "alone": "each alone"}
_screen = Console()

Figures = dict[str, dict[str, dict[str, Any]]]


def scale_out(
    data: Annotated[
        str, typer.Option(help="A known log, or the path of a file that `interest-stream replay` reads.")
    ] = "ml-100k",
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of workers; may be repeated (default: 1, 4 and 16).")
    ] = None,
    alone: Annotated[bool, typer.Option(help="Also workers that learn and count alone.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, and of which users a worker has.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events of the log.")] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[Path | None, typer.Option(help="Write the figures into this file.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw recall by workers into this PNG file.")] = None,
) -> None:
    """Prediction quality by the number of workers among which users are split.

    The log is replayed in order of time, without Kafka and from nothing: each event
    is scored, then stepped, by the worker of its user. With one trainer, that one learns and counts the committed
    rows of all, and releases weights and counts each 1 024, pairs of items each
    4 000 events; in between each worker counts its own. Beside it, workers that learn and count alone.
    """
    numbers = sorted(set(workers or [1, 4, 16]))
    try:
        settings = recipe_settings(DEFAULT, ())
        with _screen.status(f"reading {data}"):
            dataset = load(data, logs, limit)
        figures = _measure(dataset, settings, numbers, alone, seed)
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    _screen.print(_table(figures, f"{dataset.name}, {_PROTOCOL}"))
    if json is not None:
        about = {"log": dataset.name, "protocol": _PROTOCOL, "seed": seed, "date": date.today().isoformat()}
        json.write_text(json_module.dumps(about | {"machine": machine_info()} | figures, indent=2) + "\n")
    if picture is not None:
        _draw(figures, picture)


def _measure(dataset: Dataset, settings: Settings, numbers: list[int], alone: bool, seed: int) -> Figures:
    model = replace(settings.model, allow_repeats=dataset.allow_repeats, seed=seed, threads=1)
    split = split_events(dataset, _PROTOCOL)
    figures: Figures = {kind: {} for kind in (["replay", "alone"] if alone else ["replay"])}
    columns = TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_screen, transient=True) as progress:

        def progress_of(name: str) -> ProgressCallback:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        for kind, by_workers in figures.items():
            for number in numbers:
                make = SharedScorer if kind == "replay" else LoneScorer
                scorer = make(dataset, model, settings.learning, number)
                begin_s = time.process_time()
                rank = (result := evaluate(dataset, split, scorer, progress_of(scorer.name))).scores.rank
                log_p = result.scores.log_p
                by_workers[str(number)] = {
                    "recall_at_10": metrics.recall(rank, 10),
                    "recall_at_20": metrics.recall(rank, 20),
                    "mrr": metrics.mrr(rank, 20),
                    "log_loss": metrics.log_loss(log_p),
                    "cpu_s": round(time.process_time() - begin_s, 1),
                }
                if isinstance(scorer, SharedScorer):
                    sizes = scorer.release_bytes
                    by_workers[str(number)] |= {"releases": len(sizes), "bytes_per_release": sum(sizes) // len(sizes)}
    return figures


def _table(figures: Figures, title: str) -> Table:
    table = Table("workers", "recall@10", "recall@20", "MRR@20", "log-loss", title=title, box=None)
    for kind, by_workers in figures.items():
        for number, of in by_workers.items():
            values = (of["recall_at_10"], of["recall_at_20"], of["mrr"], of["log_loss"])
            table.add_row(f"{number}, {_LABELS[kind]}", *(f"{value:.4f}" for value in values))
    return table


def _draw(figures: Figures, file: Path) -> None:
    from matplotlib.figure import Figure  # takes half a second

    figure = Figure(figsize=(6, 3.5), layout="constrained", dpi=150)
    axes = figure.subplots()
    for kind, colour in (("replay", "#0b6fb8"), ("alone", "#d1495b")):
        if by_workers := figures.get(kind):
            recall = [of["recall_at_10"] for of in by_workers.values()]
            axes.plot([int(n) for n in by_workers], recall, "o-", color=colour, label=_LABELS[kind])
    axes.set_xscale("log", base=2)
    ticks = [int(number) for number in figures["replay"]]
    axes.set_xticks(ticks, [str(number) for number in ticks])
    axes.set(xlabel="workers", ylabel="recall@10", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(file)

"""The command `python -m bench attack`."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from bench.attack.injection import ATTACKS, attacked
from bench.attack.measurement import AttackResult, measure
from bench.errors import BenchError
from bench.quality.datasets import FOLDER, LOGS, Dataset, load
from models.device import set_compute_threads
from models.errors import ModelError
from models.progress import ProgressCallback
from streams.errors import SettingsError
from streams.settings.recipes import DEFAULT
from streams.settings.settings import Settings, recipe_settings

_UNLIMITED = ("learning.min_window_s=0", "learning.max_repeats=0")


def attack(
    data: Annotated[list[str], typer.Option(help=f"A log, once or more: {', '.join(LOGS)}, or the path of a file.")],
    kind: Annotated[list[str] | None, typer.Option(help=f"Only this attack: {', '.join(ATTACKS)}.")] = None,
    users: Annotated[float, typer.Option(min=0, max=1, help="Share of the users who attack.")] = 0.01,
    events: Annotated[
        float, typer.Option(min=0, help="Events that they add, as a share of those of the attacked part.")
    ] = 0.2,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events of each log.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Events of a micro-batch.")] = 128,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the worker; may be repeated."),
    ] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[Path | None, typer.Option(help="Merge the figures into this file.")] = None,
) -> None:
    """How far a few users push an item into the lists of all others, with and without learning's limits.

    In the last 30 % of the log, 1 % of its users add events of one item that few
    others have. Shown is in which share of the other users' lists of ten it stands,
    and the recall@10 of their own events; by learning.min_window_s and
    learning.max_repeats, without these limits, and without an attack.
    """
    try:
        for name in data:
            dataset = load(name, logs, limit)
            results = _measure_all(dataset, kind or list(ATTACKS), users, events, batch, tuple(set_ or ()))
            Console().print(_table(dataset, results))
            if json is not None:
                _merge(json, name, {title: asdict(result) for title, result in results.items()})
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


def _measure_all(
    dataset: Dataset, kinds: list[str], users: float, events: float, batch: int, overrides: tuple[str, ...]
) -> dict[str, AttackResult]:
    if unknown := [kind for kind in kinds if kind not in ATTACKS]:
        raise BenchError(f"no attack is called {', '.join(unknown)}; there are {', '.join(ATTACKS)}")
    limited = recipe_settings(DEFAULT, overrides)
    unlimited = recipe_settings(DEFAULT, (*overrides, *_UNLIMITED))
    runs: list[tuple[str, str | None, Settings]] = [("no attack", None, limited)]
    for kind in kinds:
        runs += [(f"{kind}, without limits", kind, unlimited), (kind, kind, limited)]
    results = {}
    with Progress(transient=True) as progress:
        for title, attack_kind, settings in runs:
            task = progress.add_task(title)
            model = replace(settings.model, allow_repeats=dataset.allow_repeats)
            set_compute_threads(model)
            results[title] = measure(
                dataset,
                attacked(dataset.events, attack_kind, users, events),
                model,
                settings.learning,
                batch,
                _updating(progress, task),
            )
    return results


def _updating(progress: Progress, task: TaskID) -> ProgressCallback:
    return lambda done, total: progress.update(task, completed=done, total=total)


def _table(dataset: Dataset, results: dict[str, AttackResult]) -> Table:
    table = Table("", "lists with the pushed item", "recall@10 of others", title=dataset.name, box=None)
    for title, result in results.items():
        table.add_row(title, f"{result.target_share:.2%}", f"{result.recall_at_10:.4f}")
    return table


def _merge(file: Path, name: str, results: dict[str, dict[str, float]]) -> None:
    merged = json_format.loads(file.read_bytes()) if file.exists() else {}
    merged[name] = {
        title: {key: round(value, 5) for key, value in figures.items()} for title, figures in results.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json_format.dumps(merged, indent=2) + "\n")

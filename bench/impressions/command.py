"""The command `python -m bench impressions`."""

from __future__ import annotations

import json as json_format
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from bench.errors import BenchError
from bench.impressions.shown import is_impression, with_impressions
from bench.quality.datasets import FOLDER, LOGS, Dataset, load
from models.data.event_log import EventLog
from models.device import set_compute_threads
from models.errors import ModelError
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from models.training.prequential_replay import PrequentialReplay
from streams.errors import SettingsError
from streams.settings.recipes import DEFAULT
from streams.settings.settings import Settings, recipe_settings

TOP_K = 10
_SCORED_SHARE = 0.3


def impressions(
    data: Annotated[list[str], typer.Option(help=f"A log, once or more: {', '.join(LOGS)}, or the path of a file.")],
    shown: Annotated[int, typer.Option(min=1, help="Items that are shown, and passed over, before each event.")] = 4,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events of each log.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Events of a micro-batch.")] = 128,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the worker; may be repeated."),
    ] = None,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[Path | None, typer.Option(help="Merge the figures into this file.")] = None,
) -> None:
    """Prediction quality with impressions in the log, learnt like other events or left out.

    Before each event of the log items are shown that the user passes over. Scored are
    the events of the log alone, the last 30 %, each before it is learnt: of the log as
    it is, with impressions that are learnt as events of little weight, and with
    impressions that are left out, as workers do.
    """
    try:
        for name in data:
            dataset = load(name, logs, limit)
            figures = _measure_all(dataset, shown, batch, recipe_settings(DEFAULT, tuple(set_ or ())))
            table = Table("", "recall@10", "MRR@20", title=f"{name}, {shown} shown before each event", box=None)
            for title, (recall, mrr) in figures.items():
                table.add_row(title, f"{recall:.4f}", f"{mrr:.4f}")
            Console().print(table)
            if json is not None:
                _merge(json, name, figures)
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


def _measure_all(dataset: Dataset, shown: int, batch: int, settings: Settings) -> dict[str, tuple[float, float]]:
    events = with_impressions(dataset.events, shown)
    first_scored = int(len(dataset.events) * (1 - _SCORED_SHARE))
    if not 0 < first_scored < len(dataset.events):
        raise BenchError(f"{dataset.name}: {len(dataset.events)} events are too few")
    # Whoever passes an item over may have had it, or take it later.
    with_repeats = replace(settings.model, allow_repeats=True)
    runs = {
        "log alone": (dataset.events, replace(settings.model, allow_repeats=dataset.allow_repeats)),
        "impressions learnt": (events, with_repeats),
        "impressions left out": (
            events[np.flatnonzero(~is_impression(events))],
            replace(settings.model, allow_repeats=dataset.allow_repeats),
        ),
    }
    figures = {}
    with Progress(transient=True) as progress:
        for title, (log, model) in runs.items():
            task = progress.add_task(title)
            set_compute_threads(model)
            figures[title] = _measure(
                dataset,
                log,
                first_scored,
                replace(settings, model=model),
                batch,
                partial(_show, progress, task),
            )
    return figures


def _show(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


def _measure(
    dataset: Dataset, log: EventLog, first_scored: int, settings: Settings, batch: int, on_progress: ProgressCallback
) -> tuple[float, float]:
    """recall@10 and MRR@20 of the log's own events from `first_scored` on; impressions are none of them."""
    items = ItemVocabulary(max(dataset.items, 1), ItemContent(settings.model))
    for item_id, title, categories in zip(dataset.item_ids, dataset.titles, dataset.categories, strict=True):
        if title or categories:
            items.describe(item_id, title, categories)
    replay = PrequentialReplay(settings.model, settings.learning, items, dataset.users, TOP_K)
    is_logged = ~is_impression(log)
    number = np.cumsum(is_logged) - 1  # of each of the log's own events among them
    # As many of the log's own events in each micro-batch, whatever comes with them.
    bounds = [0, *(np.flatnonzero(is_logged)[batch - 1 :: batch] + 1).tolist()]
    if bounds[-1] < len(log):
        bounds.append(len(log))
    ranks, appeared = [], 0
    for low, high in pairwise(bounds):
        part = log[low:high]
        latest = max(appeared, int(part.item.max(initial=0)))
        for item_id in dataset.item_ids[appeared + 1 : latest + 1]:
            items.add(item_id)
        scored = is_logged[low:high] & (number[low:high] >= first_scored) & (part.item > 0)
        if scored.any():
            ranks.append(replay.score(part, appeared).rank[scored])
        replay.step(part, learn=True)
        appeared = latest
        on_progress(high, len(log))
    rank = np.concatenate(ranks)
    return float((rank <= TOP_K).mean()), float(np.where(rank <= 20, 1 / rank, 0).mean())


def _merge(file: Path, name: str, figures: dict[str, tuple[float, float]]) -> None:
    merged = json_format.loads(file.read_bytes()) if file.exists() else {}
    merged[name] = {
        title: {"recall_at_10": round(recall, 5), "mrr_at_20": round(mrr, 5)}
        for title, (recall, mrr) in figures.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json_format.dumps(merged, indent=2) + "\n")

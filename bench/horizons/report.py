"""Report of the benchmark of the outlook: a table for each log, and all figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.table import Table

from bench.errors import BenchError

Figures = Mapping[str, Any]

_TITLES: Final = {
    "auc": "AUC (ROC)",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "ece": "ECE",
    "f1": "F1",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
}


def return_table(
    name: str, horizon_days: int, questions: int, base_rate: float, figures: Mapping[str, Figures]
) -> Table:
    """One row per metric, one column per scorer."""
    title = f"{name}: return within {horizon_days} days, {questions:,} questions, {base_rate:.1%} return"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for scorer in figures:
        table.add_column(scorer, justify="right")
    for key, metric in _TITLES.items():
        table.add_row(metric, *(f"{values[key]:.4f}" for values in figures.values()))
    return table


def interest_table(name: str, figures: Mapping[str, Mapping[str, Mapping[str, Figures]]]) -> Table:
    """One row for each horizon, kind and metric, one column per scorer."""
    table = Table(
        title=f"{name}: interest over a horizon, of users who come back", title_justify="left", box=box.SIMPLE_HEAD
    )
    table.add_column("", no_wrap=True)
    scorers = list(next(iter(next(iter(figures.values())).values())))
    for scorer in scorers:
        table.add_column(scorer, justify="right")
    for days, by_kind in figures.items():
        for kind, by_scorer in by_kind.items():
            for metric in (metric for metric in by_scorer[scorers[0]] if metric != "users"):
                values = (f"{by_scorer[scorer][metric]:.4f}" for scorer in scorers)
                table.add_row(f"{kind}, {days} days, {metric}", *values)
    return table


def cost_table(costs: Mapping[str, Figures]) -> Table:
    """One row for each size of a micro-batch."""
    table = Table(title="step and counting, CPU time", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("micro-batch", "without", "with outlook", "added"):
        table.add_column(column, justify="right")
    for size, values in costs.items():
        times = (f"{values[name]:,.0f} µs/event" for name in ("without_us", "with_us"))
        table.add_row(size, *times, f"{values['added_share']:.1%}")
    return table


def learning_table(cost: Figures) -> Table:
    """What the heads cost a trainer, beside the network."""
    table = Table(title="a trainer, CPU time", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("an optimizer step of the network", f"{cost['train_step_us']:,.0f} µs/event")
    table.add_row("the heads: noting what came of questions", f"{cost['note_us']:,.1f} µs/event")
    table.add_row("the heads: asking and learning, every 6 hours of the stream", f"{cost['labels_ms']:,.0f} ms")
    return table


def merge_results(path: Path, results: Mapping[str, Figures]) -> None:
    """Write figures by log into the file; other logs, and other figures of these logs, stay."""
    saved: dict[str, Any] = {}
    if path.exists():
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BenchError(f"{path} is not JSON ({error}): remove it or name another file") from error
    for name, figures in results.items():
        saved[name] = {**saved.get(name, {}), **figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(saved, indent=1, sort_keys=True) + "\n", encoding="utf-8")

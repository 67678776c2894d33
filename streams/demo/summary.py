"""Result of a demo: counts, quality, latency, and whether stored rows and predictions match the input exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import orjson
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.demo.metrics import DemoMetrics
from streams.experiments.result import ExperimentResult
from streams.reference_fold import InputFold, UserFold, compare
from streams.schema.predictions import Prediction
from streams.schema.quality import Means, WorkerQuality, format_mean
from streams.terminal.experiments import print_result
from streams.terminal.text import printable


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """Result of one demo; `lost` and `doubled` come from comparing rows with the input, not from counters."""

    events_in: int
    events_applied: int
    predictions: int
    users: int
    lost: int
    doubled: int
    rejected: int
    recall_at_10: float
    popularity_recall_at_10: float
    events_per_s: float
    latency_ms: dict[str, float]
    quality: WorkerQuality | None
    """The worker's last quality record; None if it wrote none"""
    faults: list[str]
    experiment: ExperimentResult | None = None
    """What the experiment on decisions has shown, if there was one"""

    def to_json(self) -> bytes:
        """The file that `--json` writes."""
        return orjson.dumps(self, _builtins, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def with_experiment(self, result: ExperimentResult, requested: int) -> DemoSummary:
        """The same with an experiment, in which each of so many requests has led to one decision and one reward."""
        rewarded = sum(arm.decisions for arm in result.arms)
        faults = [] if rewarded == requested else [f"{rewarded} rewards of {requested} requests for a decision"]
        return replace(self, experiment=result, faults=[*self.faults, *faults])

    def report(self, console: Console) -> None:
        """Print the numbers as a table, then every difference from the input."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_row("events in / applied", f"[bold]{self.events_in:,}[/] / [bold]{self.events_applied:,}[/]")
        table.add_row("predictions / users", f"{self.predictions:,} / {self.users:,}")
        table.add_row("lost / counted twice / rejected", f"{self.lost} / {self.doubled} / {self.rejected}")
        table.add_row("recall@10, last 30 %", f"[bold]{self.recall_at_10:.4f}[/]")
        table.add_row("  decayed popularity", f"{self.popularity_recall_at_10:.4f}")
        if self.quality is not None:
            scored = f"the last {self.quality.window:,} of {self.quality.scored:,} scored"
            table.add_row("worker's recall@10 / MRR / log-loss", f"[bold]{_format_means(self.quality)}[/]")
            table.add_row("  decayed popularity", f"{_format_means(self.quality.popularity)}, {scored}")
        table.add_row("events/s", f"{self.events_per_s:,.0f}")
        p50, p99 = self.latency_ms["p50"], self.latency_ms["p99"]
        table.add_row("latency, produced → readable", f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
        console.print(table)
        if self.experiment is not None:
            print_result(console, self.experiment)
        if self.faults:
            console.print("[bold red]✗ the result differs from the input[/]")
            for fault in self.faults:
                console.print(f"  [red]{escape(printable(fault))}[/]", soft_wrap=True)
        else:
            console.print(
                "[green]✓[/] rows and last predictions match the input exactly: event count, last offset, hash chain",
                soft_wrap=True,
            )


def summarize(
    metrics: DemoMetrics,
    rejected: int,
    seconds: float,
    expected: InputFold,
    actual: Mapping[str, UserFold],
    quality: WorkerQuality | None = None,
) -> DemoSummary:
    """Compare a finished run with its input; `seconds` runs from the first event to the last prediction."""
    comparison = compare(expected.users, actual)
    faults = [] if comparison.exact else [str(comparison)]
    if rejected != expected.rejected:
        faults.append(f"{rejected} dead letters where {expected.rejected} records cannot be used")
    if metrics.predicted != expected.events:
        faults.append(f"{metrics.predicted} events predicted of {expected.events}")
    if metrics.duplicate_predictions:
        faults.append(f"{metrics.duplicate_predictions} predictions came twice")
    if stale := [user for user, row in sorted(actual.items()) if not _is_last(metrics.latest.get(user), row)]:
        faults.append(f"the last prediction of {len(stale)} users is not of their last event: {', '.join(stale[:3])}")
    recall, popularity = metrics.final_recall()
    p50, p99 = metrics.latency_ms()
    return DemoSummary(
        events_in=metrics.sent,
        events_applied=sum(row.count for row in actual.values()),
        predictions=metrics.predicted + metrics.duplicate_predictions,
        users=len(actual),
        lost=comparison.lost,
        doubled=comparison.doubled,
        rejected=rejected,
        recall_at_10=recall,
        popularity_recall_at_10=popularity,
        events_per_s=metrics.predicted / seconds,
        latency_ms={"p50": p50, "p99": p99},
        quality=quality,
        faults=faults,
    )


def _is_last(prediction: Prediction | None, row: UserFold) -> bool:
    return (
        prediction is not None and prediction.state_version == row.count and prediction.source.offset == row.last_offset
    )


def _builtins(value: object) -> object:
    return value.model_dump() if isinstance(value, BaseModel) else msgspec.to_builtins(value)


def _format_means(means: Means) -> str:
    return " / ".join(map(format_mean, (means.recall_at_10, means.mrr, means.log_loss)))

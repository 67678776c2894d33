"""How a demo ended: what went in, what came out, how good it was, and whether it is exactly what the input demands."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import orjson
from rich.console import Console
from rich.table import Table

from streams.demo.scoreboard import Scoreboard
from streams.reference_fold import InputFold, UserFold, compare
from streams.schema.predictions import Prediction
from streams.schema.quality import WorkerQuality, format_mean


@dataclass(frozen=True, slots=True)
class Summary:
    """One demo in numbers; `lost` and `doubled` compare rows with the input, not counters."""

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
    """What the worker said at its end; None where it had nothing to say"""
    faults: list[str]

    def to_json(self) -> bytes:
        """As `--json` writes it."""
        return orjson.dumps(self, msgspec.to_builtins, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def report(self, console: Console) -> None:
        """A table, then the verdict."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_row("events in / applied", f"[bold]{self.events_in:,}[/] / [bold]{self.events_applied:,}[/]")
        table.add_row("predictions / users", f"{self.predictions:,} / {self.users:,}")
        table.add_row("lost / counted twice / rejected", f"{self.lost} / {self.doubled} / {self.rejected}")
        table.add_row("recall@10, last 30 %", f"[bold]{self.recall_at_10:.4f}[/]")
        table.add_row("  decayed popularity", f"{self.popularity_recall_at_10:.4f}")
        if self.quality is not None:
            ours, theirs = self.quality, self.quality.popularity
            table.add_row(
                "worker's recall@10 / MRR / log-loss",
                f"[bold]{format_mean(ours.recall_at_10)} / {format_mean(ours.mrr)} / {format_mean(ours.log_loss)}[/]",
            )
            table.add_row(
                "  decayed popularity",
                f"{format_mean(theirs.recall_at_10)} / {format_mean(theirs.mrr)} / {format_mean(theirs.log_loss)}, "
                f"the last {self.quality.window:,} of {self.quality.scored:,} scored",
            )
        table.add_row("events/s", f"{self.events_per_s:,.0f}")
        p50, p99 = self.latency_ms["p50"], self.latency_ms["p99"]
        table.add_row("latency, produced → readable", f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms")
        console.print(table)
        if self.faults:
            console.print("[bold red]✗ not what the input demands[/]")
            for fault in self.faults:
                console.print(f"  [red]{fault}[/]", soft_wrap=True)
        else:
            console.print(
                "[green]✓[/] rows and last predictions are what the input demands, in count, last offset and chain",
                soft_wrap=True,
            )


def summarize(
    board: Scoreboard,
    rejected: int,
    seconds: float,
    expected: InputFold,
    actual: Mapping[str, UserFold],
    quality: WorkerQuality | None = None,
) -> Summary:
    """The numbers of a run that took so long from its first event to its last prediction, and all that is wrong."""
    comparison = compare(expected.users, actual)
    faults = [] if comparison.exact else [str(comparison)]
    if rejected != expected.rejected:
        faults.append(f"{rejected} dead letters where {expected.rejected} records can't be used")
    if board.predicted != expected.events:
        faults.append(f"{board.predicted} events predicted of {expected.events}")
    if board.repeated:
        faults.append(f"{board.repeated} predictions came twice")
    if stale := [user for user, row in sorted(actual.items()) if not _is_last(board.newest.get(user), row)]:
        faults.append(f"the last prediction of {len(stale)} users is not of their last event: {', '.join(stale[:3])}")
    recall, popularity = board.recall()
    p50, p99 = board.latency_ms()
    return Summary(
        events_in=board.sent,
        events_applied=sum(row.count for row in actual.values()),
        predictions=board.predicted + board.repeated,
        users=len(actual),
        lost=comparison.lost,
        doubled=comparison.doubled,
        rejected=rejected,
        recall_at_10=recall,
        popularity_recall_at_10=popularity,
        events_per_s=board.predicted / seconds,
        latency_ms={"p50": p50, "p99": p99},
        quality=quality,
        faults=faults,
    )


def _is_last(prediction: Prediction | None, row: UserFold) -> bool:
    return (
        prediction is not None and prediction.state_version == row.count and prediction.source.offset == row.last_offset
    )

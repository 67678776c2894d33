"""What `python -m bench scale-out` shows and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.machine import machine_info
from bench.scale_out.replay.measurement import PROTOCOL

Figures = dict[str, Any]

_LABELS = {"replay": "one trainer", "kafka": "one trainer, Kafka", "alone": "each alone"}
_COLOURS = {"replay": "#0b6fb8", "kafka": "#2a9d4a", "alone": "#d1495b"}


def about_replay(log: str, seed: int) -> Figures:
    """What the figures `replay` and `alone` are of."""
    return {"log": log, "protocol": PROTOCOL, "seed": seed, "date": date.today().isoformat()}


def about_kafka(log: str, events: int, rate_per_s: float, runs: int) -> Figures:
    """What the figures `kafka` are of."""
    about = {"log": log, "events": events, "rate_per_s": rate_per_s, "runs": runs, "date": date.today().isoformat()}
    return {"kafka_runs": about}


def about_disturbed(log: str, events: int, every: int) -> Figures:
    """What the figures `disturbed` are of."""
    return {"disturbed_runs": {"log": log, "events": events, "every": every, "date": date.today().isoformat()}}


def about_releases(seconds: float) -> Figures:
    """What the figures `releases` are of."""
    return {"release_runs": {"seconds": seconds, "date": date.today().isoformat()}}


def save(figures: Figures, file: Path) -> Figures:
    """Writes the figures into the file; what it has beside them stays. Returns all that it has now."""
    before = json.loads(file.read_text()) if file.is_file() else {}
    figures = before | {"machine": machine_info()} | figures
    file.write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def quality_table(figures: Figures, log: str) -> Table:
    """Quality by number of workers."""
    table = Table("workers", "recall@10", "recall@20", "MRR@20", "log-loss", title=log, box=None)
    for kind, label in _LABELS.items():
        for number, of in figures.get(kind, {}).items():
            values = [of[name] for name in ("recall_at_10", "recall_at_20", "mrr", "log_loss")]
            table.add_row(f"{number}, {label}", *("-" if value is None else f"{value:.4f}" for value in values))
    for kind, of in figures.get("disturbed", {}).items():
        table.add_row(
            f"2, {kind}", *(f"{of[name]:.4f}" for name in ("recall_at_10", "recall_at_20", "mrr", "log_loss"))
        )
    return table


def release_table(rows: Sequence[Figures]) -> Table:
    """Lag and cost of releases."""
    headings = (
        "items",
        "rows/s",
        "lag, s",
        "p99",
        "every s",
        "MB",
        "apply, ms",
        "CPU",
        "counted/s",
        "learnt",
        "trainer",
    )
    table = Table(
        *headings, title="releases; CPU of who follows them, and of the trainer", box=None, padding=(0, 1, 0, 0)
    )
    for row in rows:
        every, size, learnt = (row[name] for name in ("seconds_between_releases", "bytes_per_release", "learnt_share"))
        table.add_row(
            f"{row['items']}",
            f"{row['rate_per_s']:.0f}",
            f"{row['lag_p50_s']:.1f}",
            f"{row['lag_p99_s']:.1f}",
            "-" if every is None else f"{every:.1f}",
            "-" if size is None else f"{size / 1e6:.1f}",
            f"{row['apply_p50_ms']:.0f}",
            f"{row['follower_cpu_share']:.1%}",
            f"{row['counted_per_s']:.0f}",
            "-" if learnt is None else f"{learnt:.0%}",
            f"{row['trainer_cpu_share']:.0%}",
        )
    return table


def draw(figures: Figures, file: Path) -> None:
    """Recall by number of workers as a PNG file; with bars from the lowest to the highest run."""
    from matplotlib.figure import Figure  # takes half a second

    figure = Figure(figsize=(6, 3.5), layout="constrained", dpi=150)
    axes = figure.subplots()
    ticks: set[int] = set()
    for kind, colour in _COLOURS.items():
        by_workers = figures.get(kind, {})
        if not by_workers:
            continue
        numbers, recall = [int(number) for number in by_workers], [of["recall_at_10"] for of in by_workers.values()]
        ranges = [of.get("spread", {}).get("recall_at_10") for of in by_workers.values()]
        bars = [
            [abs(value - (range_[side] if range_ else value)) for value, range_ in zip(recall, ranges, strict=True)]
            for side in (0, 1)
        ]
        axes.errorbar(numbers, recall, bars, fmt="o-", color=colour, label=_LABELS[kind], capsize=3)
        ticks |= set(numbers)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(ticks), [str(number) for number in sorted(ticks)])
    axes.set(xlabel="workers", ylabel="recall@10", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(file)

"""Pictures of the outcomes on one log: recall over time, reliability, and where the gain over the counters lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from bench.quality import metrics
from bench.quality.bootstrap import paired
from bench.quality.protocols import Outcome
from bench.quality.report import LogReport

_COUNTERS = {"popularity": "#9aa3ad", "markov": "#e8a33d", "mix": "#d1495b", "ratings": "#4f9d69"}
_STRONG = ("#0b6fb8", "#7b5ea7", "#00918c", "#1f2937")  # told apart in any colour vision, and from the counters
_WEAK = ("popularity", "ratings")
"""Left out of the gains: what they lose would set the scale"""
_STRETCHES = 30
_LEAST_EVENTS = 100
"""In a point of a picture: fewer tell nothing"""
_RELIABILITY_BINS = 12
_SMALL_P = 0.1
_FAR = 0.5
_MARKERS = "osD^v"
_DIAGONAL: dict[str, Any] = {"color": "#374151", "linewidth": 0.8, "linestyle": "--", "zorder": 1}
_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#6b7280",
    "axes.grid": True,
    "axes.labelcolor": "#374151",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
    "xtick.color": "#6b7280",
    "ytick.color": "#6b7280",
}


@dataclass(frozen=True, slots=True)
class _Band:
    """A range of an event's property, both ends in it."""

    low: int
    high: int | None

    def rows(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (values >= self.low) & (values <= (self.high if self.high is not None else values))

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low:,}+"
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,}-{self.high:,}"


def save_pictures(report: LogReport, folder: Path) -> list[Path]:
    """The report's pictures as PNG files, named after its log and protocol."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"recall": _recall, "reliability": _reliability, "gain": _gain}
    written = []
    with matplotlib.style.context(_STYLE):
        for name, draw in figures.items():
            figure = draw(report)
            if figure is not None:
                written.append(folder / f"{report.stem}-{name}.png")
                figure.savefig(written[-1])
    return written


def _colours(names: Sequence[str]) -> dict[str, str]:
    """The colour of each scorer, the same in every picture; what is no counter takes the strongest left."""
    strong = iter(_STRONG * (1 + len(names) // len(_STRONG)))
    return {name: _COUNTERS.get(name) or next(strong) for name in names}


def _recall(report: LogReport) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    colours = _colours(list(report.outcomes))
    means = {name: metrics.recall(outcome.scores.rank, 10) for name, outcome in report.outcomes.items()}
    order = sorted(means, key=lambda name: -means[name])
    # What is far below the next better one would press the others together: it is told in words.
    far = {name for better, name in pairwise(order) if means[name] < _FAR * means[better]}
    for name in order:
        if name in far:
            axes.plot([], [], color=colours[name], linewidth=1.6, label=f"{name} ({means[name]:.3f}), far below")
            continue
        outcome = report.outcomes[name]
        rank = outcome.scores.rank
        parts = np.array_split(np.arange(len(rank)), max(1, min(_STRETCHES, len(rank) // _LEAST_EVENTS)))
        at = np.array([outcome.plan.scored[part].mean() for part in parts])
        recall = np.array([metrics.recall(rank[part], 10) for part in parts])
        axes.plot(at, recall, color=colours[name], linewidth=1.6, label=f"{name} ({means[name]:.3f})")
        axes.axhline(means[name], color=colours[name], linewidth=0.7, linestyle=(0, (1, 3)))
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="mean over all", alignment="left")
    axes.set(title=f"Recall@10 over time: {report.title}", xlabel="event of the log", ylabel="recall@10")
    if not far:
        axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure


def _reliability(report: LogReport) -> Figure | None:
    told = {name: outcome.scores for name, outcome in report.outcomes.items() if _probable(outcome)}
    if not told:
        return None
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    colours = _colours(list(report.outcomes))
    found = {}
    for name, scores in told.items():
        p = scores.top1_p
        bins = max(1, min(_RELIABILITY_BINS, len(p) // _LEAST_EVENTS))
        edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)))
        found[name] = metrics.reliability(p, scores.top1_hit, edges if len(edges) > 1 else np.array([0.0, 1.0]))
    points = np.concatenate([np.concatenate([each.p, each.hit[each.hit > 0]]) for each in found.values()])
    low, high = 0.8 * float(points.min()), min(1.0, 1.2 * float(points.max()))
    # Among a thousand films no probability is near 1; on a linear scale all of it would be one corner.
    logarithmic = float(np.median(points)) < _SMALL_P
    for name, each in found.items():
        error = 1.96 * np.sqrt(each.hit * (1 - each.hit) / each.count)
        ece = metrics.calibration_error(told[name].top1_p, told[name].top1_hit)
        axes.errorbar(
            each.p,
            each.hit,
            yerr=np.stack([np.minimum(error, 0.999 * each.hit), error]),
            color=colours[name],
            marker="o",
            markersize=4,
            linewidth=1.3,
            elinewidth=0.8,
            label=f"{name} (ECE {ece:.3f})",
        )
    axes.plot([0 if not logarithmic else low, 1], [0 if not logarithmic else low, 1], **_DIAGONAL)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    limits = (low, high) if logarithmic else (0.0, high)
    axes.set(
        title=f"Reliability of the most probable item: {report.title}",
        xlabel="probability given to it (points of one line hold equally many events)",
        ylabel="share that came true (95 %)",
        xlim=limits,
        ylim=limits,
    )
    axes.legend(loc="upper left")
    return figure


def _probable(outcome: Outcome) -> bool:
    return not np.isnan(outcome.scores.top1_p).all()


def _gain(report: LogReport) -> Figure | None:
    if report.reference is None:
        return None
    reference = report.outcomes[report.reference]
    others = {name: o for name, o in report.outcomes.items() if name not in (report.reference, *_WEAK)}
    if not others:
        return None
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    (left, right), (below_left, below_right) = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=(4, 1))
    colours = _colours(list(report.outcomes))
    for above, below, values, what in (
        (left, below_left, reference.history, "user"),
        (right, below_right, reference.popularity, "item"),
    ):
        bands = [band for band in _bands(values) if np.count_nonzero(band.rows(values)) >= _LEAST_EVENTS]
        _draw_gain(above, others, reference, [band.rows(values) for band in bands], colours)
        share = [float(band.rows(values).mean()) for band in bands]
        bars = below.bar(np.arange(len(bands)), share, width=0.7, color="#cbd2d9")
        below.bar_label(
            bars, [f"{each:.0%}" if each >= 0.005 else "<1%" for each in share], fontsize=7, color="#6b7280", padding=1
        )
        below.set_xticks(np.arange(len(bands)), [str(band) for band in bands])
        below.tick_params(axis="x", labelsize=7)
        below.set(xlabel=f"events of the {what} before it")
        below.margins(y=0.35)
        below.grid(visible=False)
    left.set(ylabel=f"recall@10 less that of {report.reference} (95 %)")
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}"))
    below_left.set(ylabel="events", yticks=[])
    right.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.suptitle(f"Where the gain lies: {report.title}", x=0.01, ha="left", fontsize=11)
    return figure


def _draw_gain(
    axes: Axes,
    others: dict[str, Outcome],
    reference: Outcome,
    bands: Sequence[NDArray[np.bool_]],
    colours: dict[str, str],
) -> None:
    base = metrics.recall_each(reference.scores.rank, 10)
    axes.axhline(0, color="#374151", linewidth=0.8)
    for number, (name, outcome) in enumerate(others.items()):
        mine = metrics.recall_each(outcome.scores.rank, 10)
        found = [paired(mine[rows], base[rows], reference.events.user[rows]) for rows in bands]
        axes.errorbar(
            np.arange(len(bands)) + 0.16 * (number - (len(others) - 1) / 2),
            [each.mean for each in found],
            yerr=[1.96 * each.error for each in found],
            color=colours[name],
            fmt=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            elinewidth=1.1,
            label=name,
        )


def _bands(values: NDArray[np.int64]) -> list[_Band]:
    """0, 1, from 2, from 4, from 10, from 31, … in steps of about half a power of ten, up to the largest value."""
    bounds = [0, 1, 2, 4, 10, 31, 100, 310, 1000, 3100, 10_000, 31_000, 100_000]
    largest = int(values.max(initial=0))
    used = [bound for bound in bounds if bound <= largest]
    return [_Band(low, used[place + 1] - 1 if place + 1 < len(used) else None) for place, low in enumerate(used)]

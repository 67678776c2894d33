"""Plots of a quality report: recall over time, reliability, and gain over the reference by user and item activity."""

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

from bench.picture_style import PICTURE_STYLE
from bench.quality import metrics
from bench.quality.bootstrap import paired_difference
from bench.quality.protocols import ScorerResult
from bench.quality.report import QualityReport

_COUNTER_COLOURS = {"popularity": "#9aa3ad", "markov": "#e8a33d", "mix": "#d1495b", "ratings": "#4f9d69"}
_OTHER_COLOURS = (
    "#0b6fb8",
    "#7b5ea7",
    "#00918c",
    "#1f2937",
)  # distinguishable in any colour vision, and from the counters'
_WITHOUT_GAIN = ("popularity", "ratings")
"""Left out of the gain plot: their loss would determine its scale"""
_RECALL_POINTS = 30
_MIN_EVENTS = 100
"""Of a point in a plot: fewer events are too noisy"""
_RELIABILITY_BINS = 12
_LOG_SCALE_P = 0.1  # median probability below which axes are logarithmic
_FAR_BELOW = 0.5  # times the next better mean recall
_MARKERS = "osD^v"
_DIAGONAL: dict[str, Any] = {"color": "#374151", "linewidth": 0.8, "linestyle": "--", "zorder": 1}


@dataclass(frozen=True, slots=True)
class _Band:
    """A range of event counts, both ends included."""

    low: int
    high: int | None

    def rows(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (values >= self.low) & (values <= (self.high if self.high is not None else values))

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low:,}+"
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,}-{self.high:,}"


def save_pictures(report: QualityReport, folder: Path) -> list[Path]:
    """Save the report's plots as PNG files named after dataset and protocol; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"recall": _recall, "reliability": _reliability, "gain": _gain}
    files = []
    with matplotlib.style.context(PICTURE_STYLE):
        for name, draw in figures.items():
            figure = draw(report)
            if figure is not None:
                files.append(folder / f"{report.file_stem}-{name}.png")
                figure.savefig(files[-1])
    return files


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each scorer, the same in every plot."""
    others = iter(_OTHER_COLOURS * (1 + len(names) // len(_OTHER_COLOURS)))
    return {name: _COUNTER_COLOURS.get(name) or next(others) for name in names}


def _recall(report: QualityReport) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    colours = _colours(list(report.results))
    means = {name: metrics.recall(result.scores.rank, 10) for name, result in report.results.items()}
    order = sorted(means, key=lambda name: -means[name])
    # A scorer far below the next better one would compress the other lines: only its mean is shown.
    far = {name for better, name in pairwise(order) if means[name] < _FAR_BELOW * means[better]}
    for name in order:
        if name in far:
            axes.plot([], [], color=colours[name], linewidth=1.6, label=f"{name} ({means[name]:.3f}), far below")
            continue
        result = report.results[name]
        rank = result.scores.rank
        parts = np.array_split(np.arange(len(rank)), max(1, min(_RECALL_POINTS, len(rank) // _MIN_EVENTS)))
        event_index = np.array([result.split.scored[part].mean() for part in parts])
        recall = np.array([metrics.recall(rank[part], 10) for part in parts])
        axes.plot(event_index, recall, color=colours[name], linewidth=1.6, label=f"{name} ({means[name]:.3f})")
        axes.axhline(means[name], color=colours[name], linewidth=0.7, linestyle=(0, (1, 3)))
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="mean over all", alignment="left")
    axes.set(title=f"Recall@10 over time: {report.title}", xlabel="event of the log", ylabel="recall@10")
    if not far:
        axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure


def _reliability(report: QualityReport) -> Figure | None:
    with_p = {name: result.scores for name, result in report.results.items() if _has_probabilities(result)}
    if not with_p:
        return None
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    colours = _colours(list(report.results))
    curves = {}
    for name, scores in with_p.items():
        p = scores.top1_p
        bins = max(1, min(_RELIABILITY_BINS, len(p) // _MIN_EVENTS))
        edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)))
        curves[name] = metrics.reliability(p, scores.top1_hit, edges if len(edges) > 1 else np.array([0.0, 1.0]))
    points = np.concatenate([np.concatenate([curve.p, curve.hit[curve.hit > 0]]) for curve in curves.values()])
    low, high = 0.8 * float(points.min()), min(1.0, 1.2 * float(points.max()))
    # With thousands of items no probability is near 1: a linear scale would show all points in one corner.
    logarithmic = float(np.median(points)) < _LOG_SCALE_P
    for name, curve in curves.items():
        error = 1.96 * np.sqrt(curve.hit * (1 - curve.hit) / curve.count)
        ece = metrics.calibration_error(with_p[name].top1_p, with_p[name].top1_hit)
        axes.errorbar(
            curve.p,
            curve.hit,
            yerr=np.stack([np.minimum(error, 0.999 * curve.hit), error]),
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


def _has_probabilities(result: ScorerResult) -> bool:
    return not np.isnan(result.scores.top1_p).all()


def _gain(report: QualityReport) -> Figure | None:
    if report.reference is None:
        return None
    reference = report.results[report.reference]
    others = {name: result for name, result in report.results.items() if name not in (report.reference, *_WITHOUT_GAIN)}
    if not others:
        return None
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    (left, right), (below_left, below_right) = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=(4, 1))
    colours = _colours(list(report.results))
    for above, below, values, subject in (
        (left, below_left, reference.user_events, "user"),
        (right, below_right, reference.item_events, "item"),
    ):
        bands = [band for band in _bands(values) if np.count_nonzero(band.rows(values)) >= _MIN_EVENTS]
        _draw_gain(above, others, reference, [band.rows(values) for band in bands], colours)
        shares = [float(band.rows(values).mean()) for band in bands]
        bars = below.bar(np.arange(len(bands)), shares, width=0.7, color="#cbd2d9")
        below.bar_label(
            bars,
            [f"{share:.0%}" if share >= 0.005 else "<1%" for share in shares],
            fontsize=7,
            color="#6b7280",
            padding=1,
        )
        below.set_xticks(np.arange(len(bands)), [str(band) for band in bands])
        below.tick_params(axis="x", labelsize=7)
        below.set(xlabel=f"events of the {subject} before it")
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
    others: dict[str, ScorerResult],
    reference: ScorerResult,
    bands: Sequence[NDArray[np.bool_]],
    colours: dict[str, str],
) -> None:
    base = metrics.recall_per_event(reference.scores.rank, 10)
    axes.axhline(0, color="#374151", linewidth=0.8)
    for number, (name, result) in enumerate(others.items()):
        recall = metrics.recall_per_event(result.scores.rank, 10)
        gains = [paired_difference(recall[rows], base[rows], reference.events.user[rows]) for rows in bands]
        axes.errorbar(
            np.arange(len(bands)) + 0.16 * (number - (len(others) - 1) / 2),
            [gain.mean for gain in gains],
            yerr=[1.96 * gain.error for gain in gains],
            color=colours[name],
            fmt=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            elinewidth=1.1,
            label=name,
        )


def _bands(values: NDArray[np.int64]) -> list[_Band]:
    """Bands that start at 0, 1, 2, 4, 10, 31, 100, …: about half a power of ten each, up to the largest value."""
    bounds = [0, 1, 2, 4, 10, 31, 100, 310, 1000, 3100, 10_000, 31_000, 100_000]
    largest = int(values.max(initial=0))
    used = [bound for bound in bounds if bound <= largest]
    return [_Band(low, used[index + 1] - 1 if index + 1 < len(used) else None) for index, low in enumerate(used)]

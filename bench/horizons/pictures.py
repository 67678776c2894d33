"""Pictures of the outlook: calibration, survival by segment, and how early who left is known to have left."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from bench.horizons.baselines.kaplan_meier import FREQUENCIES, KaplanMeier
from bench.horizons.lead_time import FALSE_ALARM_RATE, final_days, lead_times
from bench.horizons.measurement import MODEL, ReturnMeasurement
from bench.horizons.questions import Gaps
from bench.picture_style import PICTURE_STYLE
from bench.quality.metrics import reliability
from models.data.horizons.horizon_days import DAY_S

_SIZE: Final = (6.0, 4.0)
_BINS: Final = 10
_LINES: Final = {
    MODEL: ("the model", "#0b6fb8"),
    "recency_frequency": ("recency, frequency, age", "#e8a33d"),
    "gap_quantile": ("own gaps", "#9aa3ad"),
    "kaplan_meier": ("Kaplan-Meier", "#d1495b"),
    "bg_nbd": ("BG/NBD", "#00918c"),
}
_BY_EVENTS: Final = ("#08305e", "#0b5394", "#0b6fb8", "#3f97d3", "#84bde3", "#bfdcf0")
"""From few events to many"""


def save_pictures(measurement: ReturnMeasurement, folder: Path) -> list[Path]:
    """Draw all pictures of a log; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    name, days = measurement.log.name, measurement.log.schedule.horizon_days
    pictures = {
        "calibration": (_calibration, f"{name}: return within {days} days, predicted and observed"),
        "survival": (_survival, f"{name}: share that has not returned, by events so far"),
        "lead-time": (
            _lead_time,
            f"{name}: warned before {final_days(measurement)} days of silence, {FALSE_ALARM_RATE:.0%} false alarms",
        ),
    }
    files = []
    with matplotlib.style.context(PICTURE_STYLE):
        for kind, (draw, title) in pictures.items():
            figure = Figure(figsize=_SIZE, layout="constrained")
            axes = figure.add_subplot()
            draw(axes, measurement)
            axes.set_title(title)
            axes.legend()
            file = folder / f"horizons-{name}-{kind}.png"
            figure.savefig(file)
            files.append(file)
    return files


def _calibration(axes: Axes, measurement: ReturnMeasurement) -> None:
    labels, largest = measurement.labels, 0.0
    for name, p in measurement.predicted.items():
        edges = np.unique(np.quantile(p.test, np.linspace(0, 1, _BINS + 1)))
        if len(edges) < 3:
            continue
        bins = reliability(p.test, labels, edges)
        label, colour = _LINES[name]
        width, front = (2.5, 3) if name == MODEL else (1.2, 2)
        axes.plot(bins.p, bins.hit, "o-", markersize=4, linewidth=width, color=colour, label=label, zorder=front)
        largest = max(largest, float(bins.p.max()), float(bins.hit.max()))
    axes.plot([0, largest], [0, largest], color="#374151", linewidth=1, linestyle=":", label="calibrated")
    axes.set_xlabel("predicted probability (tenths of the questions)")
    axes.set_ylabel("share that returned")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))


def _survival(axes: Axes, measurement: ReturnMeasurement) -> None:
    gaps = Gaps.until(measurement.log.events, int(measurement.log.events.time_ms[-1]))
    curves = KaplanMeier(gaps, measurement.horizon_s).curves
    bounds = [*FREQUENCIES.tolist(), None]
    for number, curve in enumerate(curves):
        if len(curve.times) < 2:
            continue
        low, high = bounds[number], bounds[number + 1]
        events = f"{low} or more" if high is None else str(low) if high == low + 1 else f"{low} to {high - 1}"
        days, survival = np.append(0, curve.times / DAY_S), np.append(1, curve.survival)
        label = f"{events} event{'s' * (events != '1')}"
        axes.step(days, survival, where="post", linewidth=1.8, color=_BY_EVENTS[number], label=label)
    axes.set_xlim(0, 6 * measurement.log.schedule.horizon_days)
    axes.set_ylim(0, 1)
    axes.set_xlabel("days since the last event")
    axes.set_ylabel("share without another event")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _lead_time(axes: Axes, measurement: ReturnMeasurement) -> None:
    days = final_days(measurement)
    for name, lead in lead_times(measurement).items():
        values: NDArray[np.float64] = np.sort(lead)[::-1]
        share = np.arange(1, len(values) + 1) / len(values)
        label, colour = _LINES[name]
        axes.step(values, share, where="post", linewidth=2.5 if name == MODEL else 1.2, color=colour, label=label)
    axes.set_xlim(0, days)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"days before a silence of {days} days was complete")
    axes.set_ylabel("share of users who left, warned by then")

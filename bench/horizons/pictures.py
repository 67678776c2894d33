"""Pictures of the outlook: calibration, survival by segment, and how early who left is known to have left."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from bench.horizons.baselines.kaplan_meier import FREQUENCIES, KaplanMeier
from bench.horizons.lead_time import FALSE_ALARM_RATE, final_days, lead_times
from bench.horizons.measurement import MODEL, ReturnMeasurement
from bench.horizons.questions import Gaps
from bench.quality.metrics import reliability
from models.data.horizons import DAY_S

_SIZE: Final = (7.0, 4.6)
_BINS: Final = 10
_NAMES: Final = {
    MODEL: "model",
    "recency_frequency": "recency, frequency, age",
    "gap_quantile": "own gaps",
    "kaplan_meier": "Kaplan-Meier",
    "bg_nbd": "BG/NBD",
}


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
    for kind, (draw, title) in pictures.items():
        figure, axes = plt.subplots(figsize=_SIZE, layout="constrained")
        draw(axes, measurement)
        axes.set_title(title, loc="left", fontsize=10)
        axes.grid(alpha=0.3)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        file = folder / f"horizons-{name}-{kind}.png"
        figure.savefig(file, dpi=110)
        plt.close(figure)
        files.append(file)
    return files


def _calibration(axes: Any, measurement: ReturnMeasurement) -> None:
    labels, largest = measurement.labels, 0.0
    for name, p in measurement.predicted.items():
        edges = np.unique(np.quantile(p.test, np.linspace(0, 1, _BINS + 1)))
        if len(edges) < 3:
            continue
        bins = reliability(p.test, labels, edges)
        axes.plot(
            bins.p, bins.hit, "o-", markersize=4, linewidth=2 if name == MODEL else 1, label=_NAMES.get(name, name)
        )
        largest = max(largest, float(bins.p.max()), float(bins.hit.max()))
    axes.plot([0, largest], [0, largest], color="black", linewidth=0.8, linestyle=":", label="perfect")
    axes.set_xlabel("predicted probability (tenths of the questions)")
    axes.set_ylabel("share that returned")


def _survival(axes: Any, measurement: ReturnMeasurement) -> None:
    gaps = Gaps.until(measurement.log.events, int(measurement.log.events.time_ms[-1]))
    curves = KaplanMeier(gaps, measurement.horizon_s).curves
    bounds = [*FREQUENCIES.tolist(), None]
    for number, curve in enumerate(curves):
        if len(curve.times) < 2:
            continue
        low, high = bounds[number], bounds[number + 1]
        events = f"{low} or more" if high is None else str(low) if high == low + 1 else f"{low} to {high - 1}"
        axes.step(curve.times / DAY_S, curve.survival, where="post", label=f"{events} event{'s' * (events != '1')}")
    axes.set_xlim(0, 6 * measurement.log.schedule.horizon_days)
    axes.set_ylim(0, 1)
    axes.set_xlabel("days since the last event")
    axes.set_ylabel("share without another event")


def _lead_time(axes: Any, measurement: ReturnMeasurement) -> None:
    days = final_days(measurement)
    for name, lead in lead_times(measurement).items():
        values: NDArray[np.float64] = np.sort(lead)[::-1]
        share = np.arange(1, len(values) + 1) / len(values)
        axes.step(values, share, where="post", linewidth=2 if name == MODEL else 1, label=_NAMES.get(name, name))
    axes.set_xlim(0, days)
    axes.set_xlabel(f"days before a silence of {days} days was complete")
    axes.set_ylabel("share of users who left, warned by then")

"""Picture of the power of experiments: errors without a difference, and how soon a difference is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bench.experiments.tests_compared import ALPHA
from bench.picture_style import PICTURE_STYLE

_LINES: Final = {
    "fixed": ("z-test, looked at once", "#9aa3ad", "--"),
    "peeking": ("z-test, looked at each time", "#e8a33d", "-"),
    "peeking_by_decision": ("the same, decisions as users", "#d1495b", "-"),
    "sequence": ("confidence sequence", "#0b6fb8", "-"),
    "sequence_cuped": ("confidence sequence, CUPED", "#00918c", "-"),
}


def draw(file: Path, users: Sequence[int], shares: Mapping[float, Mapping[str, Sequence[float]]]) -> None:
    """Write the picture; `shares` of experiments that are decided, by lift, test and look."""
    lifts = sorted(shares)
    with matplotlib.style.context(PICTURE_STYLE):
        figure = Figure(figsize=(4.2 * len(lifts), 3.6), layout="constrained")
        for place, lift in enumerate(lifts):
            axes = figure.add_subplot(1, len(lifts), place + 1)
            _panel(axes, users, lift, shares[lift])
        figure.savefig(file)


def _panel(axes: Axes, users: Sequence[int], lift: float, shares: Mapping[str, Sequence[float]]) -> None:
    valid = {test: share for test, share in shares.items() if lift == 0 or not test.startswith("peeking")}
    for test, share in valid.items():
        label, colour, style = _LINES[test]
        axes.plot(users, share, color=colour, linestyle=style, label=label, linewidth=1.6)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("users of each arm")
    axes.set_ylim(0, None if lift == 0 else 1.02)
    if lift == 0:
        axes.axhline(ALPHA, color="#374151", linewidth=0.8, linestyle=":")
        axes.set_title("No difference: a winner is named wrongly")
    else:
        axes.set_title(f"{lift:.0%} more reward: it is found")
    axes.legend(loc="best", fontsize=8)

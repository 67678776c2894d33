"""How the pictures of all benchmarks look: settings of matplotlib."""

from typing import Any, Final

PICTURE_STYLE: Final[dict[str, Any]] = {
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

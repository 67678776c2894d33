"""Tables and the file of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from bench.errors import BenchError
from models.policy.off_policy.estimators import ESTIMATORS

Figures = dict[str, Any]

NEW_ITEM_ROWS: Final = ("0", "1", "2-3", "4-7", "8-15", "16-31", "32-63", "64 and more")
"""Earlier events of an item"""
MAIN_SCENARIO = "all"
"""Whose figures stand under "simulator"; those of the others under "scenarios"."""


def scenario_table(name: str, figures: Figures) -> Table:
    """Reward, regret and difference from greedy by policy."""
    changes = any("after_change" in row for row in figures.values())
    columns = ["", "reward / 1 000", "less greedy", "regret / 1 000"]
    if changes:
        columns += ["regret after the change", "decisions to 80 % of the oracle's"]
    table = Table(*columns, title=name, box=None, title_justify="left")
    for policy, row in figures.items():
        cells = [
            policy,
            _with_error(row["reward"], row["error"]),
            _with_error(row["less_greedy"]["mean"], row["less_greedy"]["error"]) if "less_greedy" in row else "",
            _with_error(row["regret"], row["regret_error"]),
        ]
        if changes:
            after = row["after_change"]
            decisions = after["decisions_to_80_percent_of_oracle"]
            cells += [
                _with_error(after["regret"], after["regret_error"]),
                " ".join("never" if value is None else str(value) for value in sorted(decisions, key=_never_last)),
            ]
        table.add_row(*cells)
    return table


def estimate_table(title: str, rows: dict[str, Figures]) -> Table:
    """Estimates with intervals beside the truth; of several seeds, the mean of each."""
    table = Table("", "truth", *ESTIMATORS, title=title, box=None, title_justify="left")
    for name, row in rows.items():
        cells = []
        for key in ESTIMATORS:
            values = row[key] if isinstance(row[key], list) else [row[key]]
            value, low, high = (sum(one[part] for one in values) / len(values) for part in ("value", "low", "high"))
            cells.append(f"{value:.4f} ({low:.4f}-{high:.4f}) {_inside(row['truth_inside'][key])}")
        truths = row["truth"] if isinstance(row["truth"], list) else [row["truth"]]
        table.add_row(name, f"{sum(truths) / len(truths):.4f}", *cells)
    return table


def attack_table(figures: Figures) -> Table:
    """Share of others' slates with the pushed item by share of attackers."""
    shares = figures["shares"]
    table = Table(
        "others' slates with the item", *(f"{share:.0%}" for share in shares), title="attack", box=None,
        title_justify="left",
    )  # fmt: skip
    for name, row in figures.items():
        if isinstance(row, dict):
            for guard, values in row.items():
                table.add_row(f"{name}, {guard}", *(f"{value:.2%}" for value in values["slates_with_item"]))
    return table


def new_item_table(figures: Figures) -> Table:
    """Predicted share by observed share, by log and earlier events of the item."""
    table = Table("earlier events", *figures, title="predicted / observed", box=None, title_justify="left")
    for row in NEW_ITEM_ROWS:
        cells = [f"{rows[row]['predicted'] / max(rows[row]['events'], 1):.2f}" for rows in figures.values()]
        table.add_row(row, *cells)
    return table


def merge(file: Path, figures: Figures) -> Figures:
    """Write the figures into the file, which keeps what was not measured; the merged figures."""
    merged: Figures = {}
    if file.exists():
        try:
            merged = json.loads(file.read_bytes())
        except ValueError as error:
            raise BenchError(f"{file} is no JSON ({error}): move it, or write to another file") from error
    merged = _merged(merged, figures, levels=3)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(merged, indent=2) + "\n", encoding="utf-8")
    return merged


def _merged(old: Figures, new: Figures, levels: int) -> Figures:
    """The old figures with the new ones in their place, level by level: scenarios, policies, figures."""
    merged = dict(old)
    for key, value in new.items():
        deeper = levels > 1 and isinstance(value, dict) and isinstance(old.get(key), dict)
        merged[key] = _merged(old[key], value, levels - 1) if deeper else value
    return merged


def _never_last(value: int | None) -> float:
    return float("inf") if value is None else value


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.1f}" if error is None else f"{value:.1f} ± {error:.1f}"


def _inside(value: bool | str) -> str:
    return {True: "inside", False: "outside"}[value] if isinstance(value, bool) else f"inside in {value}"

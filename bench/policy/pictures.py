"""Pictures: cumulative reward and regret by policy and seed, estimates beside the truth, attack curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.picture_style import PICTURE_STYLE
from bench.policy.simulation import GREEDY, ScenarioRuns
from models.policy.off_policy.estimators import ESTIMATORS

_COLOURS: Final = {
    "greedy": "#1f2937",
    "epsilon_greedy": "#e8a33d",
    "softmax": "#4f9d69",
    "thompson": "#0b6fb8",
    "linucb": "#7b5ea7",
    "dqn": "#d1495b",
}
_ESTIMATOR_COLOURS: Final = ("#0b6fb8", "#4f9d69", "#e8a33d", "#d1495b", "#7b5ea7")

Figures = dict[str, Any]


def draw_scenario(name: str, runs: ScenarioRuns, file: Path) -> None:
    """Cumulative reward less that of greedy, and cumulative regret: by policy a line for each seed, and their mean."""
    with style.context(PICTURE_STYLE):
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        difference, regret = figure.subplots(1, 2)
        users = runs.parameters.users
        decisions = (np.arange(runs.parameters.rounds) + 1) * users / 1000
        for policy, of_policy in runs.runs.items():
            curves = [(regret, [np.cumsum(run.regret) * users for run in of_policy])]
            if GREEDY in runs.runs:
                pairs = zip(of_policy, runs.runs[GREEDY], strict=True)
                curves.append((difference, [np.cumsum(run.reward - base.reward) * users for run, base in pairs]))
            for axes, of_seeds in curves:
                for curve in of_seeds:
                    axes.plot(decisions, curve, color=_COLOURS[policy], linewidth=0.6, alpha=0.35)
                axes.plot(decisions, np.mean(of_seeds, 0), color=_COLOURS[policy], linewidth=2, label=policy)
        _label(difference, "cumulative reward, less greedy", f"Simulated users: {name.replace('_', ' ')}")
        _label(regret, "cumulative regret", "mean, and one thin line per seed")
        regret.legend()
        figure.savefig(file)


def draw_estimates(simulator: Figures | None, open_bandit: Figures | None, file: Path) -> None:
    """Estimates with intervals beside the truth (black)."""
    groups: list[tuple[str, list[tuple[str, Figures, float]]]] = []
    for name, rows in (simulator or {}).get("policies", {}).items():
        seeds = [
            (f"seed {seed}", {key: rows[key][seed] for key in ESTIMATORS}, rows["truth"][seed])
            for seed in range(len(rows["truth"]))
        ]
        groups.append((f"simulated users: {name}", seeds))
    for campaign, directions in (open_bandit or {}).items():
        shown = [(name.replace("_", "\n"), row, row["truth"]) for name, row in directions.items()]
        groups.append((f"Open Bandit, {campaign}: click rate", shown))
    with style.context(PICTURE_STYLE):
        _draw_groups(groups, file)


def _draw_groups(groups: list[tuple[str, list[tuple[str, Figures, float]]]], file: Path) -> None:
    figure = Figure(figsize=(11, 3.4 * ((len(groups) + 1) // 2)), layout="constrained")
    axes_of = figure.subplots((len(groups) + 1) // 2, 2, squeeze=False).ravel()
    for axes, (title, columns) in zip(axes_of, groups, strict=False):
        for position, (_, row, truth) in enumerate(columns):
            axes.plot([position - 0.4, position + 0.4], [truth, truth], color="black", linewidth=1.5)
            for index, key in enumerate(ESTIMATORS):
                value = row[key]
                bars = [[max(value["value"] - value["low"], 0)], [max(value["high"] - value["value"], 0)]]
                axes.errorbar(
                    [position - 0.3 + 0.15 * index], [value["value"]], bars, fmt="o", markersize=4, capsize=2,
                    color=_ESTIMATOR_COLOURS[index], label=key if position == 0 else None,
                )  # fmt: skip
        axes.set_xticks(range(len(columns)), [label for label, _, _ in columns], fontsize=8)
        axes.set_title(title)
    axes_of[0].legend()
    for axes in axes_of[len(groups) :]:
        axes.set_visible(False)
    figure.savefig(file)


def draw_attack(attack: Figures, file: Path) -> None:
    """Share of others' slates with the pushed item by the share of attackers, with (solid) and without the guard.

    Without errors: populations differ in how often the item is shown by more than any attack moves it.
    """
    with style.context(PICTURE_STYLE):
        figure = Figure(figsize=(6, 3.8), layout="constrained")
        axes = figure.subplots()
        shares = np.array(attack["shares"]) * 100
        for name, rows in attack.items():
            if not isinstance(rows, dict):
                continue
            for guard, line in (("no_guard", "o--"), ("guard", "o-")):
                values = np.array(rows[guard]["slates_with_item"]) * 100
                label = f"{name}, {guard.replace('_', ' ')}"
                axes.plot(shares, values, line, color=_COLOURS[name], label=label, markersize=4)
        _label(axes, "others' slates with the item, %", "Users who click one item at every sight")
        axes.set(xlabel="attackers, % of users")
        axes.legend()
        figure.savefig(file)


def _label(axes: Axes, label: str, title: str) -> None:
    axes.set(xlabel="decisions, thousands", ylabel=label)
    axes.set_title(title)

"""The command `python -m bench policy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.machine import machine_info
from bench.policy import report
from bench.policy.attack import measure_attacks
from bench.policy.contenders import CONTENDERS
from bench.policy.new_items import LOGS, measure_new_items
from bench.policy.off_policy import evaluate_on_open_bandit, evaluate_on_simulator
from bench.policy.simulation import ScenarioRuns, run_scenario
from bench.quality.datasets import FOLDER
from models.policy.simulator.parameters import SCENARIOS, SimulatorParameters
from models.progress import ProgressCallback

OPEN_BANDIT = Path("../shared/data/obd")
_ATTACK_ROUNDS, _ATTACK_SEEDS = 100, 3

_screen = Console()


def policy(
    scenario: Annotated[
        list[str] | None, typer.Option(help=f"Simulate only this one, once or more: {', '.join(SCENARIOS)}.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help=f"Only this policy, once or more: {', '.join(CONTENDERS)}.")
    ] = None,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Only what these options name: rewards of policies.")
    ] = False,
    off_policy: Annotated[
        bool, typer.Option("--off-policy", help="Only what these options name: off-policy estimates.")
    ] = False,
    new_items: Annotated[
        bool, typer.Option("--new-items", help="Only what these options name: what a worker predicts of new items.")
    ] = False,
    attack: Annotated[bool, typer.Option("--attack", help="Only what these options name: attacks.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Simulated populations, each with all policies.")] = 5,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=20, help="Decisions of each of the 500 users; tastes change in the middle.", show_default="200"
        ),
    ] = None,
    open_bandit: Annotated[
        Path, typer.Option(help="Folder of the Open Bandit Dataset.", show_default=False)
    ] = OPEN_BANDIT,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures into this file; what was not measured stays in it.")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="Draw pictures into this folder.")] = None,
) -> None:
    """Policies on simulated users, off-policy estimates beside the truth, and attacks on what policies learn.

    Simulated users see slates of four of 60 items and click by a known model, the same
    users for all policies; rewards are clicks and purchases, which are learnt four
    rounds later. Regret is to an oracle that knows all probabilities. Differences from
    greedy are paired by seed. Scenarios add satiation, cold items, a change of taste,
    or all of it. Estimates are made from a log of 10 000 decisions, and of the Open
    Bandit Dataset's logs each from the other. New items of simulated users are predicted
    as a worker predicts those of two logs. CPU time: about a quarter of an hour.
    """
    every = not (simulator or new_items or off_policy or attack)
    numbers = list(range(seeds))
    figures: report.Figures = {}
    try:
        for name, choices in (("scenario", (scenario, SCENARIOS)), ("kind", (kind, CONTENDERS))):
            if unknown := [value for value in choices[0] or () if value not in choices[1]]:
                raise BenchError(f"no {name} is called {unknown[0]}; there are {', '.join(choices[1])}")
        with _progress() as progress_of:
            if simulator or every:
                for name in scenario or SCENARIOS:
                    parameters = SCENARIOS[name] if rounds is None else _shortened(SCENARIOS[name], rounds)
                    runs = run_scenario(parameters, numbers, kind or list(CONTENDERS), _named(progress_of, name))
                    _add(figures, name, runs.figures())
                    if json is not None:  # what was measured stays where the rest is interrupted
                        report.merge(json, figures)
                    if pictures is not None:
                        _draw_scenario(name, runs, pictures)
            if new_items or every:
                figures["new_items"] = measure_new_items(LOGS, logs, progress_of("new items of logs"))
            if off_policy or every:
                figures["open_bandit"] = evaluate_on_open_bandit(open_bandit, progress_of("Open Bandit data"))
                figures["off_policy"] = {
                    "simulator": evaluate_on_simulator(numbers, progress_of("log of the simulator"))
                }
            if attack or every:
                attack_seeds = numbers[:_ATTACK_SEEDS]
                figures["attack"] = measure_attacks(attack_seeds, rounds or _ATTACK_ROUNDS, progress_of("attacks"))
        _show(figures)
        if json is not None:
            report.merge(json, figures | {"machine": machine_info()})
        if pictures is not None:
            _draw(figures, pictures)
    except BenchError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


def _shortened(parameters: SimulatorParameters, rounds: int) -> SimulatorParameters:
    change = None if parameters.change_round is None else rounds // 2
    return replace(parameters, rounds=rounds, change_round=change)


def _add(figures: report.Figures, name: str, rows: dict[str, dict[str, Any]]) -> None:
    if name == report.MAIN_SCENARIO:
        figures["simulator"] = rows
    else:
        figures.setdefault("scenarios", {})[name] = rows


def _show(figures: report.Figures) -> None:
    for name, rows in figures.get("scenarios", {}).items():
        _screen.print(report.scenario_table(name, rows))
    if "simulator" in figures:
        _screen.print(report.scenario_table(report.MAIN_SCENARIO, figures["simulator"]))
    if "off_policy" in figures:
        _screen.print(report.estimate_table("simulator, mean of seeds", figures["off_policy"]["simulator"]["policies"]))
        for campaign, rows in figures["open_bandit"].items():
            _screen.print(report.estimate_table(f"Open Bandit, {campaign}", rows))
    if "new_items" in figures:
        _screen.print(report.new_item_table(figures["new_items"]))
    if "attack" in figures:
        _screen.print(report.attack_table(figures["attack"]))


def _draw_scenario(name: str, runs: ScenarioRuns, folder: Path) -> None:
    from bench.policy import pictures  # takes half a second

    folder.mkdir(parents=True, exist_ok=True)
    pictures.draw_scenario(name, runs, folder / f"policy-{name.replace('_', '-')}.png")


def _draw(figures: report.Figures, folder: Path) -> None:
    from bench.policy import pictures

    folder.mkdir(parents=True, exist_ok=True)
    if "off_policy" in figures:
        pictures.draw_estimates(
            figures["off_policy"]["simulator"], figures["open_bandit"], folder / "policy-estimates.png"
        )
    if "attack" in figures:
        pictures.draw_attack(figures["attack"], folder / "policy-attack.png")


def _named(progress_of: Callable[[str], ProgressCallback], scenario: str) -> Callable[[str], ProgressCallback]:
    return lambda policy: progress_of(f"{scenario}, {policy}")


@contextmanager
def _progress() -> Iterator[Callable[[str], ProgressCallback]]:
    columns = TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_screen) as progress:

        def progress_of(name: str) -> ProgressCallback:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield progress_of

"""The command `python -m bench bandit-peers`."""

from __future__ import annotations

import json as json_format
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, cast

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.bandit_peers.vowpal_wabbit import VARIANTS, VowpalWabbit
from bench.machine import machine_info
from bench.policy.contenders import CONTENDERS, DQN
from models.policy.policy import Policy
from models.policy.simulator.parameters import SCENARIOS, SimulatorParameters
from models.policy.simulator.run import run_oracle, run_policy

OURS: Final = tuple(name for name in CONTENDERS if name != DQN)
_PER_DECISIONS: Final = 1000


def bandit_peers(
    scenario: Annotated[
        list[str] | None, typer.Option(help=f"Only this one, once or more: {', '.join(SCENARIOS)}.", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Simulated populations.")] = 3,
    users: Annotated[int, typer.Option(min=2, help="Of each population.")] = 100,
    rounds: Annotated[int, typer.Option(min=20, help="Decisions of each user.")] = 100,
    json: Annotated[Path | None, typer.Option(help="Write the figures there.")] = None,
) -> None:
    """Bandits of this system beside those of Vowpal Wabbit, on the same simulated users.

    Each decision shows one of 60 items; all see the same features, draw from the same
    seeds, and learn the same rewards four rounds later. Ours have the options that they
    were tuned to on other seeds, for slates of four places; Vowpal Wabbit's those that
    it has by default, for ε-greedy the best of a few there. Ours begin with the expectation that
    the reward is the predicted interest, Vowpal Wabbit's with none. Reward and regret
    are per 1 000 decisions; CPU time is of acting and learning. Takes some minutes.
    """
    names = scenario or ["plain", "cold_items", "change_of_taste"]
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise typer.BadParameter(f"no scenario is called {unknown[0]}; there are {', '.join(SCENARIOS)}")
    screen = Console()
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    columns = TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    for name in names:
        change = None if SCENARIOS[name].change_round is None else rounds // 2
        parameters = replace(SCENARIOS[name], users=users, rounds=rounds, change_round=change, examination=(1.0,))
        with Progress(*columns, console=screen, transient=True) as progress:
            task = progress.add_task(name, total=seeds * (len(OURS) + len(VARIANTS)))
            figures[name] = {}
            for policy in (*OURS, *VARIANTS):
                runs = []
                for seed in range(seeds):
                    runs.append(_run(parameters, seed, policy))
                    progress.advance(task)
                figures[name][policy] = _figures(runs)
        screen.print(_table(name, figures[name]))
        if json is not None:  # what was measured stays where the rest is interrupted
            json.parent.mkdir(parents=True, exist_ok=True)
            report = {"machine": machine_info(), "decisions_of_a_seed": users * rounds, "scenarios": figures}
            json.write_text(json_format.dumps(report) + "\n")


def _run(parameters: SimulatorParameters, seed: int, name: str) -> tuple[float, float, float]:
    """Reward and regret per 1 000 decisions, and CPU µs of a decision."""
    oracle = run_oracle(parameters, seed)
    began_s = time.process_time()
    if name in CONTENDERS:
        run = run_policy(parameters, seed, CONTENDERS[name](), None, oracle)
    else:
        peer = VowpalWabbit(name, parameters.categories)
        run = run_policy(parameters, seed, cast(Policy, peer), None, oracle)  # it acts and learns, no more is asked
        peer.close()
    spent_s = time.process_time() - began_s
    decisions = parameters.users * parameters.rounds
    reward, regret = (float(values.mean()) * _PER_DECISIONS for values in (run.reward, run.regret))
    return reward, regret, spent_s / decisions * 1e6


def _figures(runs: list[tuple[float, float, float]]) -> dict[str, Any]:
    reward, regret, cpu_us = np.array(runs).T
    error = None if len(runs) < 2 else round(float(reward.std(ddof=1) / np.sqrt(len(runs))), 3)
    return {
        "reward": round(float(reward.mean()), 3),
        "error": error,
        "regret": round(float(regret.mean()), 3),
        "cpu_us_per_decision": round(float(cpu_us.mean()), 1),
    }


def _table(scenario: str, rows: dict[str, dict[str, Any]]) -> Table:
    table = Table("policy", "reward", "± SE", "regret", "CPU µs", title=f"{scenario}, per 1 000 decisions", box=None)
    for name, row in rows.items():
        error = "" if row["error"] is None else f"{row['error']:.1f}"
        table.add_row(name, f"{row['reward']:.1f}", error, f"{row['regret']:.1f}", f"{row['cpu_us_per_decision']:.0f}")
    return table

"""The command `python -m bench experiments`."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.experiments.population import Population, arrivals
from bench.experiments.tests_compared import ALPHA, TESTS, decided
from bench.machine import machine_info

_LIFTS: Final = (0.0, 0.1, 0.2)
_CHUNK: Final = 10  # experiments at a time


def experiments(
    simulated: Annotated[int, typer.Option(min=10, help="Experiments of each lift.")] = 1000,
    looks: Annotated[int, typer.Option(min=2, help="How often each is looked at.")] = 100,
    users_per_look: Annotated[int, typer.Option(min=1, help="Users who come into each arm between two looks.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of the users.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures there.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw them there.")] = None,
) -> None:
    """How often tests err when they are looked at again and again, and how soon they find a difference.

    Simulated users come into two arms, decide some times each, and differ in how often
    they are rewarded. Tests: a z-test looked at once, at each look, and at each look with
    decisions taken for users; confidence sequences as the experiments of this system use
    them, without and with CUPED. The first figures are about experiments without any
    difference, where each decision is an error. Takes ten seconds of CPU time.
    """
    population, users = Population(), [users_per_look * (look + 1) for look in range(looks)]
    shares: dict[float, dict[str, list[float]]] = {}
    with Progress(transient=True) as progress:
        task = progress.add_task("experiments", total=len(_LIFTS) * simulated)
        for place, lift in enumerate(_LIFTS):
            random = np.random.default_rng([seed, place])
            counts = {test: np.zeros(looks) for test in TESTS}
            for first in range(0, simulated, _CHUNK):
                number = min(_CHUNK, simulated - first)
                moments = arrivals(random, population, number, looks, users_per_look, lift)
                for test, decided_at in decided(moments, users[-1]).items():
                    counts[test] += decided_at.sum(axis=0)
                progress.advance(task, number)
            shares[lift] = {test: (count / simulated).tolist() for test, count in counts.items()}
    Console().print(_table(users[-1], shares))
    if json is not None:
        report = {
            "machine": machine_info(),
            "alpha": ALPHA,
            "experiments": simulated,
            "users_of_each_arm": users,
            "decided": {f"{lift:g}": share_by_look for lift, share_by_look in shares.items()},
        }
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(json_format.dumps(report) + "\n")
    if picture is not None:
        from bench.experiments.pictures import draw

        picture.parent.mkdir(parents=True, exist_ok=True)
        draw(picture, users, shares)


def _table(users: int, shares: dict[float, dict[str, list[float]]]) -> Table:
    table = Table(
        "decided", *(f"lift {lift:.0%}" for lift in shares), title=f"after {users:,} users of each arm", box=None
    )
    for test in TESTS:
        table.add_row(test, *(f"{shares_of_lift[test][-1]:.1%}" for shares_of_lift in shares.values()))
    return table

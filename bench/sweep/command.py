"""The command `python -m bench sweep`."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.cost.workload import Workload
from bench.machine import machine_info
from bench.sweep.measurement import measure
from streams.errors import SettingsError
from streams.worker.churn.sweep import CHUNK_USERS, MOST_WARNED


def sweep(
    users: Annotated[int, typer.Option(min=1024, help="Users, each with a full history.")] = 20_000,
    items: Annotated[int, typer.Option(min=1024, help="Items that are scored for whom is warned of.")] = 10_000,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="model.KEY=VALUE", help="One setting of the model; may be repeated."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """What the sweep for silent users costs: how many users in a second, and for how long a step waits for it.

    The worker's own sweep reads a partition's rows from RocksDB, and computes with
    untrained weights, which costs the same; only the transaction is left out. Either
    nobody is warned of, which is what nearly all of a sweep finds, or everybody, whose
    items are then scored. `churn.users_per_s` bounds what it takes.
    """
    try:
        with Progress(transient=True) as progress:
            task = progress.add_task("users")
            costs = measure(
                Workload(items=items, users=users),
                tuple(set_ or ()),
                lambda done, total: progress.update(task, completed=done, total=total),
            )
    except SettingsError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    table = Table(
        f"{CHUNK_USERS} users at once, or {MOST_WARNED} warnings",
        "users/s",
        "a step waits",
        "p99",
        "bytes of a warning",
        box=None,
    )
    for name, cost in costs.items():
        waits = f"{cost.wait_ms:.1f} ms", f"{cost.wait_p99_ms:.1f} ms"
        table.add_row(name, f"{cost.users_per_s:,.0f}", *waits, f"{cost.bytes_per_warning:,.0f}")
    Console().print(table)
    if json is not None:
        figures = {name: asdict(cost) for name, cost in costs.items()}
        json.parent.mkdir(parents=True, exist_ok=True)
        workload = {"users": users, "items": items, "set": set_ or []}
        json.write_text(
            json_format.dumps({"machine": machine_info(), "workload": workload, "passes": figures}, indent=2) + "\n"
        )

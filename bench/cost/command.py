"""The command `python -m bench cost`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cost.measurement import measure
from bench.cost.report import Repeats
from bench.cost.workload import Workload
from bench.errors import BenchError
from models.config import LearnerConfig

_screen = Console()


def cost(
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Events of one step, once or more; without it 1, 32 and 1000.")
    ] = None,
    items: Annotated[int, typer.Option(min=1024, help="Items that are scored for each prediction.")] = Workload.items,
    users: Annotated[int, typer.Option(min=1, help="Users, each with a full ring.")] = Workload.users,
    repeats: Annotated[
        Literal["allow", "filter", "both"],
        typer.Option(help="Whether items come back (allow), or what the user had is left out (filter)."),
    ] = "both",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of which the median is told.")] = 7,
    device: Annotated[str, typer.Option(help="'cpu', 'cuda' or 'cuda:N'.")] = Workload.device,
    seed: Annotated[int, typer.Option(min=0, help="Of users, items and weights.")] = Workload.seed,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """What each part of a step costs per event, and what users and items take of memory.

    The engine of the worker runs in this process, with default settings and on one
    thread; its functions are timed where they stand, so the parts sum to a step.
    Below that sum is a step that was not taken apart: by so much do the readings of
    the clock slow it down. Users have full rings; half of the events are the
    successor of the user's last item, the others drawn by Zipf's law. Each event of a
    batch is of another user and gives a prediction. Weights are untrained, which
    costs the same. What is done once in a step is shared by its events: compare the
    columns. For the worker as a whole, Kafka included, see `throughput`.
    """
    try:
        sizes = sorted(set(batch or [1, 32, 1000]))
        models: tuple[Repeats, ...] = ("allow", "filter") if repeats == "both" else (repeats,)
        workload = _workload(items, users, device, seed, sizes)
        with _progress() as progress:
            task = progress.add_task("rounds", total=None)
            report = measure(
                workload,
                models,
                sizes,
                rounds,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
    except BenchError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    for table in report.tables():
        _screen.print(table)
    if json is not None:
        report.save(json)


def _workload(items: int, users: int, device: str, seed: int, sizes: list[int]) -> Workload:
    least = max(*sizes, LearnerConfig().events_per_step)
    if users < least:
        raise BenchError(f"{least} events are of as many users, but there are {users}: give --users {least} or more")
    if device != "cpu" and not device.startswith("cuda"):
        raise BenchError(f"--device is cpu, cuda or cuda:N, not {device}")
    if device != "cpu" and not torch.cuda.is_available():
        raise BenchError("no CUDA device is here: give --device cpu")
    return Workload(items, users, device, seed)


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=_screen, transient=True)

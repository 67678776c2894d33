"""The command `python -m bench cost`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cost.measurement import measure
from bench.cost.workload import Workload
from bench.errors import BenchError
from models.config import LearnerConfig
from streams.errors import SettingsError

_screen = Console()


def cost(
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Events of a micro-batch, once or more; default 1, 32 and 1000.")
    ] = None,
    items: Annotated[int, typer.Option(min=1024, help="Items that are scored for each prediction.")] = Workload.items,
    users: Annotated[int, typer.Option(min=1, help="Users, each with a full history.")] = Workload.users,
    repeats: Annotated[
        Literal["allow", "filter", "both"],
        typer.Option(help="Whether users have items repeatedly (allow), or items they had are excluded (filter)."),
    ] = "both",
    rounds: Annotated[int, typer.Option(min=1, help="Measured rounds; the report has their median.")] = 7,
    device: Annotated[str, typer.Option(help="'cpu', 'cuda' or 'cuda:N'.")] = Workload.device,
    seed: Annotated[int, typer.Option(min=0, help="Seed of users, items and weights.")] = Workload.seed,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="model.KEY=VALUE", help="One setting of the model; may be repeated."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """CPU time of each part of a micro-batch per event, and memory per user and item.

    The worker's engine runs in this process with default settings, but for --set, on one thread; a
    clock around its functions gives the parts, which sum to a micro-batch. The line
    below the sum is a micro-batch that was not taken apart: the difference is the
    clock's overhead. Users have full histories; half of the events are the successor
    of the user's last item, the others are drawn by Zipf's law. Each event of a batch
    has a different user and gives a prediction. Weights are untrained, which costs
    the same. Work done once per micro-batch is shared by its events: compare the
    columns. "slot taken over": a new item where all items.capacity places are taken,
    with catalog entries. For the whole worker with Kafka, see `throughput`.
    """
    try:
        sizes = sorted(set(batch or [1, 32, 1000]))
        allow_repeats = {"allow": (True,), "filter": (False,), "both": (True, False)}[repeats]
        workload = _workload(items, users, device, seed, sizes, tuple(set_ or ()))
        with _progress() as progress:
            task = progress.add_task("rounds", total=None)
            report = measure(
                workload,
                allow_repeats,
                sizes,
                rounds,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
    except (BenchError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    for table in report.tables():
        _screen.print(table)
    if json is not None:
        report.save(json)


def _workload(items: int, users: int, device: str, seed: int, sizes: list[int], overrides: tuple[str, ...]) -> Workload:
    least_users = max(*sizes, LearnerConfig().events_per_step)
    if users < least_users:
        raise BenchError(
            f"{least_users} events need as many users, but there are {users}: give --users {least_users} or more"
        )
    if device != "cpu" and not device.startswith("cuda"):
        raise BenchError(f"--device is cpu, cuda or cuda:N, not {device}")
    if device != "cpu" and not torch.cuda.is_available():
        raise BenchError("there is no CUDA device: give --device cpu")
    return Workload(items, users, device, seed, overrides)


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=_screen, transient=True)

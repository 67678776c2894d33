"""Command line of the benchmarks: `python -m bench throughput`, `quality`, `scale-out` and others."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final = (
    *("throughput", "quality", "horizons", "scale-out", "attack", "impressions"),
    *("cold-items", "cold-users", "policy", "bandit-peers", "experiments", "cost", "sweep", "decoding", "web", "gpu"),
)
"""Each is the function of its name in the `command` module of its room, with _ for -"""


class BenchCommands(TyperGroup):
    """Imports a command when it is asked for: each runs where the others' libraries are missing."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, one that ends with an error where a library of it is missing, or None for an unknown name."""
        return _command(cmd_name) if cmd_name in COMMANDS else None


app = typer.Typer(
    cls=BenchCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def bench() -> None:
    """Benchmarks: worker throughput beside other programs, prediction quality beside counters, by the number of
    workers, under attack, with impressions, of new items and of new users, the power of experiments, the cost of each
    part of a micro-batch and of the sweep for silent users, that of decoding an event by its format, the HTTP server
    under load, and a CUDA device against the CPU.
    """  # noqa: D205


def _command(name: str) -> Any:
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    try:
        room = name.replace("-", "_")
        single.command(name)(getattr(import_module(f"bench.{room}.command"), room))
    except ModuleNotFoundError as error:
        single.command(name, help=f"Not available: the Python package {error.name} is not installed.")(_missing(error))
    return typer.main.get_command(single)


def _missing(error: ModuleNotFoundError) -> Any:
    def command() -> None:
        typer.echo(f"error: the Python package {error.name} is not installed: run `make setup`", err=True)
        raise typer.Exit(1)

    return command

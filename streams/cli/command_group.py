"""Base of every command: settings options at any position, and one message for each expected error."""

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperGroup

from streams.errors import KafkaAccessError
from streams.os_errors import os_error_cure
from streams.terminal.text import printable_lines

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings.sections import KafkaSettings
    from streams.settings.source import CommandLine

T = TypeVar("T")

EX_INTERRUPTED = 130
_PACKAGES = ("streams", "state", "models")
_SETTINGS_OPTIONS = ("--recipe", "--config", "--set")


class Commands(TyperGroup):
    """Takes --recipe, --config and --set at any place, and ends with one message on every expected error."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The line with the settings options moved before the command."""
        return super().parse_args(ctx, settings_first(args))

    def invoke(self, ctx: Any) -> Any:
        """The command's result; exits 130 on Ctrl-C and 1 on an error that its user can do something about."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(EX_INTERRUPTED) from None
        except Exception as error:
            message = explain(error, ctx.obj)
            if message is None:
                raise
            typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
            typer.echo(printable_lines(message), err=True)
            raise typer.Exit(1) from None


def settings_first(args: list[str]) -> list[str]:
    """The same words with the settings options, and their values, in front."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _SETTINGS_OPTIONS:
            value = next(words, None)
            front += [word] if value is None else [word, value]
        elif word.startswith(tuple(f"{option}=" for option in _SETTINGS_OPTIONS)):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def explain(error: Exception, line: "CommandLine | None") -> str | None:
    """One message for an error that a user can correct, None for a bug."""
    package = type(error).__module__.partition(".")[0]
    if package in _PACKAGES:
        return str(error)
    if package == "aiokafka":
        if line is not None and line.loaded is not None:
            return _explain_kafka(error, line.loaded.kafka)
        return f"Kafka at kafka.bootstrap_servers: {error or type(error).__name__}"
    if isinstance(error, OSError):
        if (cure := os_error_cure(error, of_output=not _in_data_folder(error, line))) is not None:
            return cure
        if error.filename is not None:
            return f"{error.filename}: {error.strerror}"
    return None


def _in_data_folder(error: OSError, line: "CommandLine | None") -> bool:
    if error.filename is None or line is None or line.loaded is None:
        return False
    path, settings = Path(os.fsdecode(error.filename)).absolute(), line.loaded
    folders = settings.worker.data_dir, settings.policy.data_dir, settings.web.data_dir
    # Of a folder that cannot be made, the one above it may be at fault.
    return any(path.is_relative_to(folder.absolute()) or folder.absolute().is_relative_to(path) for folder in folders)


def _explain_kafka(error: Exception, kafka: "KafkaSettings") -> str:
    from streams.kafka.client.connection import check_connection, no_broker

    if type(error).__name__ != "KafkaConnectionError":
        return f"Kafka at {kafka.bootstrap_servers}: {error or type(error).__name__}"
    try:
        run(check_connection(kafka))
    except KafkaAccessError as problem:
        return str(problem)
    return run(no_broker(kafka))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result."""
    import asyncio  # takes as long as Typer, and only what uses Kafka needs it

    return asyncio.run(coroutine)


def console() -> "Console":
    """The terminal."""
    from rich.console import Console

    return Console(highlight=False)

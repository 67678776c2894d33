"""The commands that show settings: `interest-stream config` and `interest-stream recipes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import command_group

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings.settings import SettingRow

_MEANING_WIDTH = 30  # at least so many columns for what a setting means, else it has a line of its own
_FILE_WIDTH = 10_000  # of a file or pipe, where no line is cut


def config(
    ctx: typer.Context,
    toml: Annotated[bool, typer.Option("--toml", help="As the text of an interest.toml.")] = False,
) -> None:
    """Print every setting, its value and where that came from.

    Sources, each overriding the one before: defaults, --recipe, interest.toml, environment
    (INTEREST_KAFKA__GROUP_ID=…), --set.
    """
    settings = ctx.obj.settings()
    if toml:
        typer.echo(settings.to_toml(), nl=False)
        return
    print_settings(command_group.console(), settings.explain())


def print_settings(console: Console, rows: Sequence[SettingRow]) -> None:
    """One line for each setting; on a terminal that is too narrow for values and sources, two or more."""
    from rich.table import Table
    from rich.text import Text

    columns = zip(*((len(row.key), len(str(row.value)), len(row.source)) for row in rows), strict=True)
    if console.is_terminal and console.width < sum(map(max, columns)) + _MEANING_WIDTH:
        for row in rows:
            style = "dim" if row.source == "default" else "green"
            value = Text.assemble(row.key, " = ", (str(row.value), style), (f"  ({row.source})", style))
            console.print(value, overflow="fold")
            console.print(Text(f"  {row.help}", "dim"), overflow="fold")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("setting", "value", "source"):
        table.add_column(heading, no_wrap=True)
    table.add_column("meaning")
    for row in rows:
        style = "dim" if row.source == "default" else "green"
        meaning = Text(row.help, "dim")
        table.add_row(row.key, Text(str(row.value), style), Text(row.source, style), meaning)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(table)


def recipes() -> None:
    """List the named networks for --recipe.

    interest-stream worker --recipe long-short
    """
    from rich.markup import escape

    from streams.settings.recipes import RECIPES, recipe_line

    for name in RECIPES:
        command_group.console().print(f"[bold]{name:<16}[/]{escape(recipe_line(name))}", soft_wrap=True)

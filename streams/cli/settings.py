"""The commands that show settings: `interest-stream config` and `interest-stream recipes`."""

from typing import Annotated

import typer

from streams.cli.command_group import console


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
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("setting", "value", "source"):
        table.add_column(heading, no_wrap=True)
    table.add_column("meaning")  # whose lines are cut where the terminal is narrow
    for row in settings.explain():
        style = "dim" if row.source == "default" else "green"
        meaning = Text(row.help, "dim", no_wrap=True, overflow="ellipsis")
        table.add_row(row.key, Text(str(row.value), style), Text(row.source, style), meaning)
    console().print(table)


def recipes() -> None:
    """List the named networks for --recipe.

    interest-stream worker --recipe long-short
    """
    from rich.markup import escape

    from streams.settings.recipes import RECIPES, recipe_line

    for name in RECIPES:
        console().print(f"[bold]{name:<16}[/]{escape(recipe_line(name))}", soft_wrap=True)

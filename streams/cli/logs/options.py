"""The options of all commands that read event logs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.files.formats.dialect import FormatOptions

Log = Annotated[Path, typer.Argument(metavar="FILE", help="The event log.", show_default=False)]
Items = Annotated[Path | None, typer.Option(metavar="FILE", help="Item file: titles and categories.")]
Limit = Annotated[int | None, typer.Option(min=1, help="The first so many events.", show_default="all")]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="ROLE=NAME,…",
        help="Which column is what: a name, its number from 1, or a path (user=properties.user.id).",
        show_default="by \\[events.map], else guessed",
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave bad lines out and count them, instead of stopping.")]
Clean = Annotated[
    str | None,
    typer.Option(metavar="RULE,…", help="dedupe, drop=outliers (as in `profile`), cap=N of a user, fill=VALUE."),
]


def format_options(
    delimiter: Annotated[
        str | None,
        typer.Option(metavar="CHARACTER", help="Between columns: , ; | :: tab or space.", show_default="detected"),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Has the first line names of columns?", show_default="detected"),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="utf-8, cp1252, utf-16 …", show_default="utf-8, or detected")
    ] = None,
    quote: Annotated[
        str | None,
        typer.Option(metavar="CHARACTER", help="Around cells, or none.", show_default='" (none between tabs)'),
    ] = None,
) -> "FormatOptions":
    """What the operator says about the format of the text. Raises LogError."""
    from streams.files.formats.dialect import FormatOptions

    return FormatOptions.parse(delimiter, header, encoding, quote)

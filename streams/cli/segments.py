"""The commands `interest-stream segments …`: sizes of segments, and a segment's users as CSV or as a topic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run

if TYPE_CHECKING:
    from streams.settings.web_section import WebSettings

segments_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

Url = Annotated[str | None, typer.Option(metavar="URL", help="The server.", show_default="web.host, web.port")]


@segments_app.command("list")
def list_(ctx: typer.Context, url: Url = None) -> None:
    """How many users each segment has: by the category they will want most, and by risk.

    The figures are those of `interest-stream web`, which must be running.
    """
    from rich.table import Table

    from streams.terminal.text import printable
    from streams.web.report.segments import segment_sizes

    web = ctx.obj.settings().web
    table = Table("will want most", "risk", "users", "share", box=None)
    for segment in segment_sizes(_url(web, url), web.read_token.get_secret_value()):
        category = "(not known)" if segment["category"] is None else printable(segment["category"])
        table.add_row(category, segment["risk"], f"{segment['users']:,}", f"{segment['share']:.1%}")
    console().print(table)


@segments_app.command()
def export(
    ctx: typer.Context,
    category: Annotated[str | None, typer.Option(help="Only users who will want this most.")] = None,
    risk: Annotated[str | None, typer.Option(help="Only users of this level: none, at_risk or lost.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The CSV file to write.", show_default="standard output")
    ] = None,
    topic: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Send a record of each user to this topic, which exists.")
    ] = None,
    url: Url = None,
) -> None:
    """Write a segment's users as CSV, or send them to a topic, keyed by user_id.

    interest-stream segments export --risk at_risk --category Sci-Fi --out campaign.csv
    """
    from streams.kafka.topic_specs import every_topic_spec
    from streams.web.report.segments import segment_users, send_to_topic, write_csv

    if out is not None and topic is not None:
        raise typer.BadParameter("--out is a file and --topic a topic: give one of them")
    settings = ctx.obj.settings()
    if topic in {spec.name for spec in every_topic_spec(settings)}:
        raise typer.BadParameter(f"--topic {topic}: this system reads or writes it itself; create one of your own")
    web = settings.web
    pages = segment_users(_url(web, url), web.read_token.get_secret_value(), category, risk)
    if topic is not None:
        users = run(send_to_topic(pages, settings.kafka, topic))
        console().print(f"[green]✓[/] {users:,} users sent to {topic}", highlight=False)
    elif out is not None:
        with out.open("w", newline="", encoding="utf-8") as file:
            users = write_csv(pages, file)
        console().print(f"[green]✓[/] {out}, {users:,} users", highlight=False)
    else:
        write_csv(pages, sys.stdout)


def _url(web: WebSettings, url: str | None) -> str:
    host = f"[{web.host}]" if ":" in web.host else web.host
    return (url or f"http://{host}:{web.port}").rstrip("/")

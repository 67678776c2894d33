"""The command `interest-stream report`: what a running server shows, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import command_group


def report(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write.")] = Path("report.html"),
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="The server.", show_default="web.host, web.port")
    ] = None,
) -> None:
    """Write quality, calibration, audience interest and dead letters of a running system into one HTML file.

    It needs nothing but a browser: send it, or keep it. It has no users in it, but values of dead letters may.
    The figures are those of `interest-stream web`, which must be running.

    interest-stream report --out monday.html
    """
    import time

    from rich.progress import Progress

    from streams.web.report.answers import ask_server
    from streams.web.report.page import report_page

    web, console = ctx.obj.settings().web, command_group.console()
    url = url or f"http://{f'[{web.host}]' if ':' in web.host else web.host}:{web.port}"
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Asking the server")
        answers = ask_server(
            url,
            web.read_token.get_secret_value(),
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    out.write_text(report_page(answers, url, int(time.time() * 1000)), encoding="utf-8")
    console.print(f"[green]✓[/] {out}, {out.stat().st_size // 1000} kB", highlight=False)

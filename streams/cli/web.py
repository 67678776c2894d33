"""The command `interest-stream web`: the HTTP API and the live page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def web(
    ctx: typer.Context,
    truth: Annotated[Path | None, typer.Option("--truth", hidden=True, help="What synthetic users truly want.")] = None,
    with_stdin: Annotated[bool, typer.Option("--with-stdin", hidden=True, help="End when stdin closes.")] = False,
) -> None:
    """Serve the HTTP API and the live page, until SIGTERM or Ctrl-C.

    At http://127.0.0.1:8080, for this machine alone. Elsewhere it needs tokens:
    INTEREST_WEB__READ_TOKEN_FILE=token interest-stream web --set web.host=0.0.0.0

    Start as many as you like, each with a port and a folder of its own:
    interest-stream web --set web.port=8081 --set web.data_dir=data/web-2
    """
    settings = ctx.obj.settings()
    from streams.cli.logging_setup import configure_logging
    from streams.web.server import run_web
    from streams.web.truths import read_truths
    from streams.worker.process.launcher import end_with_stdin

    configure_logging(style=settings.logging.format)
    if with_stdin:
        end_with_stdin()
    run_web(settings, None if truth is None else read_truths(truth))

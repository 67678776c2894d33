"""The command `interest-stream web`: the HTTP API and the live page."""

from __future__ import annotations

import typer


def web(ctx: typer.Context) -> None:
    """Serve the HTTP API and the live page, until SIGTERM or Ctrl-C.

    At http://127.0.0.1:8080, for this machine alone. Elsewhere it needs tokens:
    INTEREST_WEB__READ_TOKEN_FILE=token interest-stream web --set web.host=0.0.0.0

    Start as many as you like, each with a port and a folder of its own:
    interest-stream web --set web.port=8081 --set web.data_dir=data/web-2
    """
    settings = ctx.obj.settings()
    from streams.cli.logging_setup import configure_logging
    from streams.web.server import run_web

    configure_logging(style=settings.logging.format)
    run_web(settings)

"""The command `interest-stream policy`: feedback, rewards, what policies learn from them, and decisions on request."""

from __future__ import annotations

from typing import Annotated

import typer


def policy(
    ctx: typer.Context,
    with_stdin: Annotated[bool, typer.Option("--with-stdin", hidden=True, help="End when stdin closes.")] = False,
) -> None:
    r"""Run a process of policies: it decides what users are shown, and learns from what comes of it.

    It joins decisions with the events that name them, writes a reward of each, lets the policies of \[policy] learn
    from them, and answers decision-requests. POST /v1/users/ID/decisions of `web` decides by what it publishes. Run as
    many side by side as there are cores, each with a folder of its own; one of them learns for all.

    interest-stream policy --set policy.kinds=thompson --set feedback.horizon_s=600
    """
    settings = ctx.obj.settings()
    from streams.cli.logging_setup import configure_logging
    from streams.feedback.run import run
    from streams.worker.process.launcher import end_with_stdin
    from streams.worker.process.lifecycle import exit_process

    configure_logging(style=settings.logging.format)
    if with_stdin:
        end_with_stdin()
    run(settings)
    exit_process(0)

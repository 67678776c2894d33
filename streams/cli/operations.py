"""The commands for operators of a group of workers: `reset`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.command_group import console, run


def reset(
    ctx: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            metavar="earliest|latest|TIME", help="Where to begin; a time is that of the record.", show_default=False
        ),
    ],
    keep_rows: Annotated[
        bool,
        typer.Option(
            "--keep-rows", help="Keep user state: for a topic that was created again, whose events are new ones."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the workers begin elsewhere in user-events, with empty user state. All of them must be stopped.

    User state is deleted, because it holds the effect of the events before: read again, they would count twice.
    Model, item register and catalog stay. Predictions stay until their users' next events.

    interest-stream reset --to earliest

    interest-stream reset --to 2026-11-01T00:00Z
    """
    from rich.table import Table

    from streams.schema.parsing.times import time_ms
    from streams.worker.partitions.offset_reset import ResetTarget, reset_offsets

    target: ResetTarget
    if to in ("earliest", "latest"):
        target = "earliest" if to == "earliest" else "latest"
    else:
        time = time_ms(to)  # Rejected says what a time looks like
        if time is None:
            raise typer.BadParameter("--to takes earliest, latest, or a time such as 2026-11-01T00:00Z")
        target = time
    settings = ctx.obj.settings()
    if not (yes or keep_rows):
        typer.confirm(
            f"Delete the state of all users of the group {settings.kafka.group_id} and read "
            f"{settings.topics.user_events} from {to} on?",
            abort=True,
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("partition", "next offset before", "now", "rows kept" if keep_rows else "rows deleted"):
        table.add_column(heading, justify="right")
    for part in run(reset_offsets(settings, target, keep_rows)):
        before = "-" if part.before is None else f"{part.before:,}"
        table.add_row(str(part.partition), before, f"{part.after:,}", f"{part.rows:,}")
    console().print(table)

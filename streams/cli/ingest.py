"""The command `interest-stream ingest`: topics that are keyed otherwise, as events keyed by user."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run

if TYPE_CHECKING:
    from rich.console import Console

    from streams.ingest.run import IngestProgress

_PRINT_S = 10.0  # between lines where nobody watches


class StartAt(StrEnum):
    """Where to begin in partitions that were never read."""

    EARLIEST = "earliest"
    LATEST = "latest"


def ingest(
    ctx: typer.Context,
    sources: Annotated[
        list[str], typer.Option("--from", metavar="TOPIC", help="A topic to read; repeatable.", show_default=False)
    ],
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of all records: canonical, cloudevents, segment, posthog, ga4, snowplow, gorse …",
            show_default="detected for each",
        ),
    ] = None,
    start: Annotated[
        StartAt, typer.Option(help="Where to begin in partitions that were never read.")
    ] = StartAt.EARLIEST,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many records.", show_default="never")] = None,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End once all that is there now has been read, by whichever process.")
    ] = False,
) -> None:
    r"""Read topics keyed by session, by order or not at all, and write their events to user-events, keyed by user.

    Any accepted schema is read, as user-events takes it; `user` of \[events.map] names where the user is. Each
    record is read once, whatever fails; run as many side by side as there are cores. Records that cannot be used go to
    user-events-dlq. Runs until Ctrl-C.

    interest-stream ingest --from clicks --from orders

    interest-stream ingest --from page-views --format segment --until-end
    """
    from streams.ingest.run import IngestOptions
    from streams.ingest.run import ingest as ingest_topics

    settings, screen = ctx.obj.settings(), console()
    options = IngestOptions(sources, format, start.value, limit, until_end)
    with screen.status("joining the group") as status:
        printed_s, printed_records = time.monotonic(), 0

        def report(progress: IngestProgress) -> None:
            nonlocal printed_s, printed_records
            if screen.is_terminal:
                status.update(_line(progress))
            elif time.monotonic() - printed_s > _PRINT_S and progress.counts.records > printed_records:
                printed_s, printed_records = time.monotonic(), progress.counts.records
                _print(screen, _line(progress))

        progress = run(ingest_topics(settings, options, report, lambda text: _print(screen, text)))
    screen.print(f"[green]✓[/] {_line(progress)}", soft_wrap=True)
    for code, count in progress.counts.rejected.most_common():
        _print(screen, f"  {count:,} records are dead letters: {code}; first {progress.counts.first_rejected[code]}")
    if progress.counts.rejected:
        _print(screen, "  `interest-stream dlq replay` sends them once producer or settings are mended")
    if progress.counts.left_out:
        _print(screen, f"  {progress.counts.left_out:,} records hold no event of interest")
    for what, count, _ in progress.counts.notes.lines():
        _print(screen, f"  {count:,}x {what}")


def _line(progress: IngestProgress) -> str:
    counts = progress.counts
    rate = counts.events / progress.seconds if progress.seconds else 0.0
    return (
        f"{counts.records:,} records read, {counts.events:,} events written ({rate:,.0f}/s), "
        f"{counts.rejected.total():,} dead letters, {progress.lag:,} behind"
    )


def _print(screen: Console, text: str) -> None:
    screen.print(text, markup=False, soft_wrap=True)

"""The commands `interest-stream dlq …`: records that could not be used."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run
from streams.cli.option_group import with_options

if TYPE_CHECKING:
    from streams.schema.dead_letters.reader import Letter
    from streams.terminal.dead_letters import LetterFilter

dlq_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def letter_filter(
    reason: Annotated[
        list[str] | None, typer.Option("--reason", metavar="CODE", help="With this reason; repeatable.")
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option("--partition", metavar="N", help="In this partition of theirs; repeatable.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Records from this time on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Records before this time.")] = None,
) -> "LetterFilter":
    """Which dead letters. Raises Rejected for a text that is no time."""
    from streams.schema.parsing.times import time_ms
    from streams.terminal.dead_letters import LetterFilter

    return LetterFilter(
        tuple(reason or ()),
        tuple(partition or ()),
        None if since is None else time_ms(since),
        None if until is None else time_ms(until),
    )


@dlq_app.command("list")
@with_options(wanted=letter_filter)
def list_letters(
    ctx: typer.Context,
    wanted: "LetterFilter",
    limit: Annotated[int, typer.Option(min=1, help="How many are listed; all are counted.")] = 20,
) -> None:
    """Count the records that could not be used, by reason, and list the newest.

    interest-stream dlq list --reason missing_field --since 2026-11-01
    """
    from streams.terminal.dead_letters import print_letters, read_letters

    settings, screen = ctx.obj.settings(), console()
    letters = run(read_letters(settings, wanted))
    print_letters(screen, letters, limit)


@dlq_app.command()
def show(
    ctx: typer.Context,
    letter: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", show_default=False, help="As listed.")],
) -> None:
    """Show one of them in full."""
    from streams.terminal.dead_letters import find_letter, in_json, print_letter

    async def letter_in_json() -> "Letter":
        settings = ctx.obj.settings()
        return await in_json(settings, await find_letter(settings, letter))

    print_letter(console(), run(letter_in_json()))


@dlq_app.command()
@with_options(wanted=letter_filter)
def replay(
    ctx: typer.Context,
    wanted: "LetterFilter",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent.")] = False,
) -> None:
    r"""Send them to user-events again, once what was wrong is mended, such as \[events.map] in the settings.

    Each is read by today's settings; those that can be used go to the partition that they came from, with the ids
    that they had. None is sent twice, however often this is run; of two at the same time, the first ends.

    interest-stream dlq replay --reason missing_field --config interest.toml
    """
    from streams.terminal.dead_letters import read_letters
    from streams.worker.dead_letter_replay import replay_letters

    settings, screen = ctx.obj.settings(), console()

    async def replay_and_print() -> None:
        read = partial(read_letters, settings, wanted)
        counts = await replay_letters(settings, read, dry_run)
        verb = "would be replayed" if dry_run else "replayed"
        screen.print(f"[green]✓[/] {counts.letters:,} dead letters {verb}, {counts.events:,} events", highlight=False)
        for code, count in counts.still_refused.most_common():
            screen.print(f"  {count:,} are still refused: {code}", markup=False)
        if counts.incomplete:
            screen.print(f"  {counts.incomplete:,} are kept as a hash only: they were too large")
        if counts.replayed_before:
            screen.print(f"  {counts.replayed_before:,} were replayed before")

    run(replay_and_print())

"""The commands that read event logs: `replay`, `train` and `profile`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run
from streams.cli.logs.options import Clean, Columns, Items, Limit, Log, SkipBad, format_options
from streams.cli.option_group import with_options

if TYPE_CHECKING:
    from streams.files.formats.dialect import FormatOptions


@with_options(log_format=format_options)
def replay(
    ctx: typer.Context,
    file: Log,
    items: Items = None,
    rate: Annotated[str, typer.Option(metavar="N/s", help="Events per second, or [bold]max[/].")] = "max",
    limit: Limit = None,
    columns: Columns = None,
    *,
    log_format: "FormatOptions",
    skip_bad: SkipBad = False,
    clean: Clean = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last event of an interrupted replay.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin at the first event, though a replay was interrupted.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where the position is kept while events are sent.", show_default="beside the log"
        ),
    ] = None,
) -> None:
    """Send an event log to user-events, in order of time.

    Formats: MovieLens .inter and .dat, .csv, .tsv and .txt, .json and .jsonl, .parquet (extra parquet); each text also
    with .gz, .zst or .zip. What is detected is printed first. Roles of columns: user, item, time, value, text, type;
    roles that the names do not show are given:

    interest-stream replay plays.csv --columns user=listener,item=track,time=at --rate 500/s

    interest-stream replay UserBehavior.csv --no-header --columns user=1,item=2,type=4,time=5
    """
    from streams.cli.logs.replay import ReplayOptions, replay_file
    from streams.files.cleaning import CleaningRules
    from streams.kafka.pacing import parse_rate

    settings = ctx.obj.settings()
    rules = CleaningRules.parse(clean)
    if resume and restart:
        raise typer.BadParameter("--resume goes on, --restart begins anew: give one of them")
    options = ReplayOptions(
        items, columns, log_format, parse_rate(rate), limit, skip_bad, rules, resume, restart, state
    )
    run(replay_file(settings, console(), file, options))


@with_options(log_format=format_options)
def train(
    ctx: typer.Context,
    logs: Annotated[list[Path], typer.Argument(metavar="FILE", help="Event logs, once or more.", show_default=False)],
    items: Items = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the checkpoint.", show_default="trainer.trained_dir"),
    ] = None,
    columns: Columns = None,
    *,
    log_format: "FormatOptions",
    skip_bad: SkipBad = False,
    clean: Clean = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was interrupted.")] = False,
    registered: Annotated[
        bool,
        typer.Option(
            "--registered", help="Use the item indices of the broker's item-index: for workers that run already."
        ),
    ] = False,
) -> None:
    """Learn event logs before any worker runs, and write the checkpoint that workers start from.

    The last tenth of the events is held out: it decides when to stop, and is then scored and learnt like a stream.
    Settings are those of the sections model and training (interest-stream config); set model.allow_repeats=false where
    nobody has an item twice. Curves for TensorBoard are written beside the checkpoint.

    interest-stream train ratings.csv --items movies.csv --set model.allow_repeats=false

    Several processes, one per GPU or core, share each step and give what one gives:

    torchrun --nproc-per-node 2 -m streams.cli train ratings.csv --items movies.csv
    """
    from models.training.offline.process_group import is_first_process
    from streams.cli.logs.replay import print_left_out, print_plain
    from streams.cli.logs.train import read_log, registered_items
    from streams.cli.logs.train import train as train_on
    from streams.files.cleaning import CleaningRules
    from streams.schema.decoder import SchemaRules

    settings, screen = ctx.obj.settings(), console()
    screen.quiet = not is_first_process()
    known = run(registered_items(settings)) if registered else []
    rules = CleaningRules.parse(clean)
    with screen.status(f"reading {', '.join(map(str, logs))}"):
        log, left_out = read_log(
            logs,
            items,
            columns,
            skip_bad,
            known,
            log_format,
            rules,
            lambda text: print_plain(screen, text),
            SchemaRules.of(settings.events),
        )
    print_left_out(screen, left_out)
    train_on(settings, screen, log, out or settings.trainer.trained_dir, resume)


@with_options(log_format=format_options)
def profile(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="FILE | TOPIC", help="The event log, or a topic.", show_default=False)
    ] = None,
    topic: Annotated[bool, typer.Option("--topic", help="Of the topic of that name, else of user-events.")] = False,
    columns: Columns = None,
    *,
    log_format: "FormatOptions",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures there.")] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture (.png, .svg) there: extra picture.")
    ] = None,
) -> None:
    """Report what is unusual in an event log or a topic: duplicates, outliers, missing values, disorder, bad lines.

    Outliers are users and items with more events than exp(median + 5 MAD) of the log counts: bots, test accounts. A
    topic is read to its end as it is now, in any schema that user-events takes, without a consumer group.

    interest-stream profile events.csv --json profile.json --picture profile.png

    interest-stream profile --topic page-views
    """
    from streams.cli.logs.profile import show_profile
    from streams.files.event_logs import open_events
    from streams.files.event_roles import parse_columns
    from streams.schema.decoder import SchemaRules

    settings = ctx.obj.settings()
    if topic:
        from streams.cli.logs.topic_events import TopicEvents
        from streams.files.formats.dialect import FormatOptions

        if columns is not None or log_format != FormatOptions():
            raise typer.BadParameter("--columns and options of the format are of files; [events.map] is of topics too")

        with TopicEvents(settings, name or settings.topics.user_events) as events:
            show_profile(console(), events, json, picture)
    elif name is None:
        raise typer.BadParameter("name a FILE, or --topic for user-events")
    else:
        log = open_events(Path(name), parse_columns(columns), log_format, SchemaRules.of(settings.events))
        show_profile(console(), log, json, picture)

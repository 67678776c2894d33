"""The command line, `interest-stream`. Whatever a command needs is imported inside it, so that help comes at once."""

import gc
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import Commands, console, run
from streams.cli.dead_letters import dlq_app
from streams.cli.experiments import experiments_app
from streams.cli.ingest import ingest
from streams.cli.kafka import kafka_app
from streams.cli.logs.commands import profile, replay, train
from streams.cli.logs.options import Columns, Items, Limit, format_options
from streams.cli.logs.synthesize import synthesize
from streams.cli.models import models_app
from streams.cli.operations import reset
from streams.cli.option_group import with_options
from streams.cli.policy import policy
from streams.cli.report import report
from streams.cli.segments import segments_app
from streams.cli.settings import config, recipes
from streams.cli.standard_streams import prepare_output, utf8_argument
from streams.cli.web import web
from streams.settings.source import CommandLine

if TYPE_CHECKING:
    from streams.files.formats.dialect import FormatOptions

_NICENESS = 5  # of a trainer beside a worker: predictions go before learning

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="[dim]--recipe, --config and --set may stand anywhere: interest-stream worker --recipe horizon[/]",
)
app.add_typer(dlq_app, name="dlq", help="Records that could not be used: list, show, replay.")
app.add_typer(models_app, name="models", help="The models that workers follow: list, show, publish, promote, rollback.")
app.add_typer(
    experiments_app, name="experiments", help="Policies tried on users: estimate, create, list, traffic, result, stop."
)
app.add_typer(segments_app, name="segments", help="Users by what they will want and by risk: sizes, and who they are.")
app.add_typer(kafka_app, name="kafka", help="A real Apache Kafka on this machine: start, stop, status.")


def _user_id(user: str | None) -> str | None:
    try:
        return None if user is None else utf8_argument(user)
    except ValueError:
        raise typer.BadParameter("ids of users are UTF-8, and this one is not") from None


@app.callback()
def interest_stream(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file.", show_default="interest.toml, if there")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; may be repeated.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="A network known by name: see `recipes`.", show_default="default")
    ] = None,
) -> None:
    """Events of users in, what each will want next out, over Apache Kafka.

    [bold]First look[/]      interest-stream demo

    [bold]Your own events[/] interest-stream kafka start
                    interest-stream worker &
                    interest-stream replay ratings.csv --items movies.csv
                    interest-stream tail
                    interest-stream show USER
    """
    ctx.obj = CommandLine(config, list(overrides or ()), recipe)
    # The client logs what its exceptions repeat; a worker turns its log on again (logging_setup).
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@app.command()
def worker(
    ctx: typer.Context,
    with_stdin: Annotated[bool, typer.Option("--with-stdin", hidden=True, help="End when stdin closes.")] = False,
) -> None:
    """Run one worker: events in, predictions out, until SIGTERM or Ctrl-C.

    Start as many as there are cores, each with a data folder of its own:
    interest-stream worker --set worker.data_dir=data/2
    """
    settings = ctx.obj.settings()
    from streams.cli.logging_setup import configure_logging
    from streams.worker.process.launcher import end_with_stdin

    configure_logging(style=settings.logging.format)
    if with_stdin:
        end_with_stdin()
    from streams.worker.app import run_worker  # only now: torch takes seconds
    from streams.worker.process.lifecycle import exit_process

    run_worker(settings)
    exit_process(0)  # at once: what libraries print of themselves in an orderly end (nanobind) looks like an error


@app.command()
def trainer(
    ctx: typer.Context,
    elected: Annotated[bool, typer.Option("--elected", hidden=True, help="By a worker; no election.")] = False,
    with_stdin: Annotated[bool, typer.Option("--with-stdin", hidden=True, help="End when stdin closes.")] = False,
) -> None:
    """Run a trainer: it learns for all workers of the group, and releases the model to them.

    Needed only where workers run with trainer.mode=external: by default one of them runs it as a child process.
    One trainer of a group trains, the others stand by.

    interest-stream trainer --set trainer.learning_share=1 --set model.device=cuda
    """
    settings = ctx.obj.settings()
    from streams.cli.logging_setup import configure_logging
    from streams.trainer.app import run as run_trainer
    from streams.worker.process.launcher import end_with_stdin
    from streams.worker.process.lifecycle import exit_process

    configure_logging(style=settings.logging.format)
    if with_stdin:
        end_with_stdin()
    if elected:
        os.nice(_NICENESS)
    run_trainer(settings, elected=elected)
    exit_process(0)  # as a worker does


@app.command()
def topics(ctx: typer.Context) -> None:
    """Create the topics that are missing, and verify all of them."""
    from streams.kafka.topic_specs import every_topic_spec
    from streams.kafka.topics import ensure_topics

    settings = ctx.obj.settings()
    names = [spec.name for spec in every_topic_spec(settings)]
    run(ensure_topics(settings, names))
    console().print(
        f"[green]✓[/] {', '.join(names[:-1])} and {names[-1]} exist at {settings.kafka.bootstrap_servers}",
        soft_wrap=True,
    )


app.command()(policy)
app.command()(replay)
app.command()(ingest)
app.command()(train)
app.command()(profile)
app.command()(synthesize)


@app.command()
def tail(
    ctx: typer.Context,
    user: Annotated[str | None, typer.Option(help="Only this user's.", callback=_user_id)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many.", show_default="never")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest record kept.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The records as they are, one per line.")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="Instead: prequential quality of each worker.")] = False,
) -> None:
    """Watch predictions arrive: who, what next, which interests, and why.

    With --stats, the workers instead: events/s, recall@10, MRR, log-loss, each beside decayed popularity's.
    """
    if stats and user is not None:
        raise typer.BadParameter("--stats is of all users: leave --user out")
    if stats:
        from streams.terminal.quality import tail_stats as show
    else:
        from streams.terminal.predictions import tail_predictions

        show = partial(tail_predictions, user=user)
    run(show(ctx.obj.settings(), console(), limit=limit, from_start=from_start, as_json=as_json))


@app.command()
def show(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", show_default=False, help="The user's id.", callback=_user_id)],
) -> None:
    """Show what is stored of a user, and the latest prediction."""
    from streams.terminal.user import show_user

    run(show_user(ctx.obj.settings(), console(), user))


app.command()(web)
app.command()(report)
app.command()(reset)
app.command()(config)
app.command()(recipes)


@app.command()
@with_options(log_format=format_options)
def demo(
    ctx: typer.Context,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An event log.", show_default="a made-up stream")
    ] = None,
    items: Items = None,
    columns: Columns = None,
    *,
    log_format: "FormatOptions",
    seconds: Annotated[float, typer.Option(min=1, help="How long events are sent, where no rate is given.")] = 40,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="N/s", help="Events per second, or [bold]max[/].", show_default="400/s; a log: by --seconds"
        ),
    ] = None,
    limit: Limit = None,
    repeats: Annotated[
        str | None,
        typer.Option(metavar="allow|filter", help="May a user's items return?", show_default="as in the log"),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="The user to watch.", show_default="one who is active throughout")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the made-up stream.")] = 0,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the summary there.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the folder with Kafka's data and the worker's log.")
    ] = False,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Decide what users are shown, in an experiment of two arms.")
    ] = False,
) -> None:
    """Run Kafka, a worker and a stream of events on this machine, live in the terminal, and check the result.

    interest-stream demo --events ratings.csv --items movies.csv --json summary.json
    """
    from streams.demo.input import DemoOptions
    from streams.demo.run import run_demo

    line: CommandLine = ctx.obj
    options = DemoOptions(
        events, items, columns, seconds, rate, limit, repeats, user, seed, keep, decisions, log_format
    )
    raise typer.Exit(run_demo(line, options, console(), json))


def main() -> None:
    """Runs the command line; the process ends with its exit code."""
    # Settings need no plugin, and to look for one is to read the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What is imported stays: at Python's 700 objects the collector goes through it a hundred times and frees nothing.
    gc.set_threshold(10_000)
    if (problem := prepare_output(sys.argv[1:])) is not None:
        sys.exit(f"error: {problem}")
    app()

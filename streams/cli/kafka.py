"""The commands `interest-stream kafka …`."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.command_group import console

kafka_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

KafkaFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of its data and its log.")]


@kafka_app.command()
def start(
    ctx: typer.Context,
    folder: KafkaFolder = Path("data/kafka"),
    nodes: Annotated[int, typer.Option(help="1 or 3 brokers.")] = 1,
) -> None:
    """Start it in the background; the first time its jars are fetched through Maven.

    It listens where kafka.bootstrap_servers says, if that is a free port of this machine.
    """
    from rich.markup import escape

    from streams.local_kafka.cluster import start_background
    from streams.local_kafka.cluster import status as status_of

    is_new, wanted = status_of(folder) is None, ctx.obj.settings().kafka.bootstrap_servers
    with console().status("starting Kafka"):
        state = start_background(folder, nodes, local_port(wanted))
    data = escape(str(state.folder))
    text = f"[green]✓[/] Kafka runs at [bold]{state.bootstrap_servers}[/]; its data and log are in {data}"
    console().print(text, soft_wrap=True)
    if (hint := address_hint(state.bootstrap_servers, wanted, is_new)) is not None:
        console().print(hint, style="bold yellow", soft_wrap=True)


def local_port(bootstrap_servers: str) -> int:
    """Port of the first of these brokers, if it is one of this machine; else Kafka's usual one."""
    from streams.local_kafka.cluster import DEFAULT_PORT

    host, _, port = bootstrap_servers.split(",")[0].strip().rpartition(":")
    return int(port) if host in {"127.0.0.1", "localhost"} and port.isdecimal() else DEFAULT_PORT


def address_hint(bootstrap_servers: str, wanted: str, is_new: bool) -> str | None:
    """How the other commands get to a Kafka that is not where they look for one (`wanted`); None where it is there.

    `is_new`: it has got its ports just now, that of `wanted` if it was free.
    """
    if bootstrap_servers == wanted.replace("localhost:", "127.0.0.1:"):
        return None
    port = local_port(wanted)
    in_use = is_new and not f"{bootstrap_servers},".startswith(f"127.0.0.1:{port},")
    reason = f"{port} is in use: " if in_use else ""
    return (
        f"{reason}Kafka listens at {bootstrap_servers}; every other command needs\n"
        f"  export INTEREST_KAFKA__BOOTSTRAP_SERVERS={bootstrap_servers}"
    )


@kafka_app.command()
def stop(folder: KafkaFolder = Path("data/kafka")) -> None:
    """Stop it; its data stay."""
    from rich.markup import escape

    from streams.local_kafka.cluster import stop_background

    stopped = stop_background(folder)
    console().print(f"no Kafka has been started in {escape(str(folder))}" if stopped is None else "[green]✓[/] stopped")


@kafka_app.command()
def status(folder: KafkaFolder = Path("data/kafka")) -> None:
    """Print whether it runs, and where. Exits 1 where it does not."""
    from streams.local_kafka import cluster

    state = cluster.status(folder)
    if state is None or not state.running:
        console().print(f"no Kafka runs in {folder}", markup=False)
        raise typer.Exit(1)
    pids = ", ".join(map(str, state.pids))
    console().print(f"Kafka runs at [bold]{state.bootstrap_servers}[/] (process {pids})", soft_wrap=True)

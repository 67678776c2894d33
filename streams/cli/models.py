"""The commands `interest-stream models …`: the models of a group."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run
from streams.errors import ReleaseError, StoreError

if TYPE_CHECKING:
    from streams.settings.settings import Settings
    from streams.trainer.checkpoint_store import Action, CheckpointStore

models_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@models_app.command("list")
def list_models(ctx: typer.Context) -> None:
    """List the model in use, its checkpoints, candidates, and what `train` has left."""
    from streams.terminal.models import print_models, read_models

    print_models(console(), run(read_models(ctx.obj.settings())))


@models_app.command()
def show(ctx: typer.Context) -> None:
    """Show the model in use: what it has counted and how well it predicts."""
    from streams.terminal.models import print_released, read_released

    settings = ctx.obj.settings()
    model = run(read_released(settings))
    if model is None:
        raise ReleaseError(f"{settings.topics.model_releases} holds no release yet: start a worker, or a trainer")
    print_released(console(), model)


@models_app.command()
def publish(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Where `train` has written it.", show_default="trainer.trained_dir"),
    ] = None,
) -> None:
    """Make a trained model a candidate: the trainer tries it beside the model in use, and promotes or refuses it.

    interest-stream train log.csv --registered --out data/new

    interest-stream models publish data/new
    """
    settings = ctx.obj.settings()
    folder = folder or settings.trainer.trained_dir
    store, name = _store(settings), _newest(folder)
    store.publish(folder / name)
    scored = settings.trainer.candidate_events
    console().print(
        f"[green]✓[/] {name} is a candidate: on trial until {scored:,} events are scored; see `models list`",
        soft_wrap=True,
    )


@models_app.command()
def promote(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a candidate in `models list`.", show_default=False)],
) -> None:
    """Put a candidate in use at once, whatever its trial says."""
    from streams.trainer.checkpoint_store import CANDIDATES

    _request(ctx.obj.settings(), "promote", name, CANDIDATES)


@models_app.command()
def rollback(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a checkpoint in `models list`.", show_default=False)],
) -> None:
    """Go back to a checkpoint's weights; what is counted stays, and every user's state is recomputed when next met."""
    _request(ctx.obj.settings(), "rollback", name, "")


def _request(settings: "Settings", action: "Action", name: str, folder: str) -> None:
    store = _store(settings)
    names = list(store.manifests(folder))
    if name not in names:
        raise StoreError(f"{store.url} has no {name} to {action}; there are: {', '.join(names) or 'none'}")
    store.request(action, name)
    console().print("[green]✓[/] the trainer takes it within seconds; see `models show`", soft_wrap=True)


def _store(settings: "Settings") -> "CheckpointStore":
    from streams.trainer.checkpoint_store import CheckpointStore

    return CheckpointStore(settings.checkpoint_url)


def _newest(folder: Path) -> str:
    from streams.trainer.checkpoint_store import CheckpointStore

    names = list(CheckpointStore(str(folder)).manifests())
    if not names:
        raise StoreError(f"{folder} holds no checkpoint, as `interest-stream train` writes")
    return names[0]

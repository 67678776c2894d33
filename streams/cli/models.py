"""The commands `interest-stream models …`: the models of a group."""

import typer

from streams.cli.command_group import console, run
from streams.errors import ReleaseError

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

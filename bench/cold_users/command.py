"""The command `python -m bench cold-users`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.arms import check_arms, measure_arms, save_arms
from bench.cold_users.measurement import ARMS, ColdUserResult, measure
from bench.cold_users.population import Population, made_up
from bench.errors import BenchError
from models.errors import ModelError
from streams.errors import SettingsError
from streams.settings.recipes import DEFAULT
from streams.settings.settings import recipe_settings


def cold_users(
    users: Annotated[int, typer.Option(min=10, help="Users, who arrive one after another.")] = 3000,
    days: Annotated[int, typer.Option(min=2, help="Days within which they arrive.")] = 10,
    items: Annotated[int, typer.Option(min=20, help="Items.")] = 200,
    events: Annotated[float, typer.Option(min=1, help="Events of a user.")] = 8.0,
    warm_up: Annotated[int, typer.Option(min=1, help="First days, which are learnt but not scored.")] = 5,
    arm: Annotated[list[str] | None, typer.Option(help=f"Only this, once or more: {', '.join(ARMS)}.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of users, items and events.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the worker; may be repeated."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """What numbers of a user (user.upsert) are worth while the user is new: recall@10 at a user's first events.

    The population is made up. Users choose by a taste, which their profile shows. The
    worker's engine and learner know no profile, profiles, or, as a control, those of other
    users: with these they should do no better than without. "best" is who knows each
    user's taste.
    """
    try:
        check_arms(arm or (), ARMS, warm_up, days)
        settings = recipe_settings(DEFAULT, tuple(set_ or ()))
        population = made_up(users, days, items, events, seed)
        results = measure_arms(
            arm or ARMS,
            lambda name, update: measure(population, name, settings.model, settings.learning, seed, warm_up, update),
        )
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    Console().print(_table(population, results))
    if json is not None:
        save_arms(json, results, population.best_recall_at_10)


def _table(population: Population, results: dict[str, ColdUserResult]) -> Table:
    result = next(iter(results.values()))
    table = Table("recall@10 of a user's events", *result.recall_at_10, box=None)
    for name, measured in results.items():
        table.add_row(name, *(f"{recall:.4f}" for recall in measured.recall_at_10.values()))
    table.add_row("best", *[f"{population.best_recall_at_10:.4f}"] * len(result.recall_at_10))
    table.add_row("events", *(f"{count:,}" for count in result.events.values()))
    return table

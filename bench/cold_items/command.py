"""The command `python -m bench cold-items`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.arms import check_arms, measure_arms, save_arms
from bench.cold_items.catalogue import Catalogue, made_up
from bench.cold_items.measurement import ARMS, ColdItemResult, measure
from bench.errors import BenchError
from models.errors import ModelError
from streams.errors import SettingsError
from streams.settings.recipes import DEFAULT
from streams.settings.settings import recipe_settings


def cold_items(
    users: Annotated[int, typer.Option(min=10, help="Users.")] = 600,
    days: Annotated[int, typer.Option(min=4, help="Days of events.")] = 12,
    items: Annotated[int, typer.Option(min=8, help="New items a day; each is there for three days.")] = 96,
    events: Annotated[float, typer.Option(min=0.1, help="Events of a user in a day.")] = 4.0,
    warm_up: Annotated[int, typer.Option(min=1, help="First days, which are learnt but not scored.")] = 5,
    arm: Annotated[list[str] | None, typer.Option(help=f"Only this, once or more: {', '.join(ARMS)}.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of users, items and events.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the worker; may be repeated."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """What the numbers of an item in the catalog are worth while it is new: recall@10 of items of age below a day.

    The catalogue is made up. Users choose by what an item is, which its vector shows,
    and by its price. The worker's engine and learner read ids alone, vectors, vectors
    and price, or, as a control, vectors of other items: with these they should do no
    better than with ids. "best" is who knows each user's taste.
    """
    try:
        check_arms(arm or (), ARMS, warm_up, days)
        settings = recipe_settings(DEFAULT, tuple(set_ or ()))
        catalogue = made_up(users, days, items, events, seed)
        results = measure_arms(
            arm or ARMS,
            lambda name, update: measure(catalogue, name, settings.model, settings.learning, seed, warm_up, update),
        )
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None
    Console().print(_table(catalogue, results))
    if json is not None:
        save_arms(json, results, catalogue.best_recall_at_10)


def _table(catalogue: Catalogue, results: dict[str, ColdItemResult]) -> Table:
    table = Table("recall@10", "items below a day", "older items", box=None)
    for name, result in results.items():
        table.add_row(name, f"{result.cold_recall_at_10:.4f}", f"{result.other_recall_at_10:.4f}")
    table.add_row("best", f"{catalogue.best_recall_at_10:.4f}", "")
    result = next(iter(results.values()))
    table.add_row("events", f"{result.cold_events:,}", f"{result.other_events:,}")
    return table

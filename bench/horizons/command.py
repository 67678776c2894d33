"""The command `python -m bench horizons`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.horizons.interest import InterestMeasurement
from bench.horizons.logs import SCHEDULES, HorizonLog, load_log
from bench.horizons.measurement import ReturnMeasurement
from bench.horizons.model_scorer import Asked, ask_model
from bench.horizons.report import cost_table, interest_table, learning_table, merge_results, return_table
from bench.machine import machine_info
from bench.quality.datasets import FOLDER
from bench.quality.event_time import PERIODS, with_event_time
from models.errors import ModelError
from streams.errors import SettingsError

_screen = Console()


def horizons(
    data: Annotated[list[str] | None, typer.Option(help=f"A log, once or more: {', '.join(SCHEDULES)}.")] = None,
    choose: Annotated[
        bool, typer.Option("--choose", help="Score days before the scored ones: to choose settings by.")
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Measure what the outlook adds to a step, and to training.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of that.")] = 7,
    event_time: Annotated[
        str | None,
        typer.Option(
            metavar="PERIOD",
            help=f"Let the network read when events happened, in place of their types: {', '.join(PERIODS)}.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting of the model; may be repeated."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe of the model.")] = "default",
    name: Annotated[str, typer.Option(help="Name of the model's figures in the results.")] = "model",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the model's weights and training.")] = 0,
    logs: Annotated[Path, typer.Option(help="Folder of the known logs.", show_default=False)] = FOLDER,
    json: Annotated[Path | None, typer.Option(help="Merge the figures into this file.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Draw pictures into this folder.")] = None,
) -> None:
    """Return within days and weeks, of the model and of classical baselines.

    The log is replayed in order of time. At fixed days every user who had an event by
    then is asked about; the model answers by what it has learnt until then, from labels
    whose horizon had passed. Baselines are fitted to the training days, all of whose
    labels are due before the first day that is scored. Thresholds of decisions are the
    best of F1 on the training days. With --choose all is done within the training days.
    """
    try:
        if not data and not cost:
            raise BenchError("nothing to measure: give --data LOG, --cost or both")
        if choose and (json or pictures):
            raise BenchError("--choose is for settings, not for results: leave out --json and --pictures")
        if event_time and (json or pictures):
            raise BenchError("--event-time is to compare inputs: leave out --json and --pictures")
        if cost:
            costs, learning = _costs(rounds)
            _screen.print(cost_table(costs))
            _screen.print(learning_table(learning))
            if json is not None:
                about = {"machine": machine_info()}
                merge_results(json, {"step_cost": costs | about, "learning_cost": learning | about})
        for log_name in data or ():
            log = load_log(log_name, logs, choose)
            if event_time is not None:
                log = replace(log, dataset=with_event_time(log.dataset, event_time))
            measurement, interest, seconds = _measure(log, recipe, list(set_ or ()), seed)
            figures = measurement.figures()
            labels = measurement.labels
            days = log.schedule.horizon_days
            _screen.print(return_table(log_name, days, len(labels), float(labels.mean()), figures))
            spending = measurement.spending()
            for scorer, errors in spending.items():
                _screen.print(f"spending, {scorer}: " + ", ".join(f"{key} {value}" for key, value in errors.items()))
            if by_days := interest.figures():
                _screen.print(interest_table(log_name, by_days))
            if json is not None:
                results = _results(log, measurement, figures, name, seconds)
                results |= {f"{name}_interest": by_days} if by_days else {}
                results |= {f"{name}_spending": spending} if spending else {}
                merge_results(json, {log_name: results})
            if pictures is not None:
                _draw(measurement, pictures)
    except (BenchError, ModelError, SettingsError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False)
        raise typer.Exit(1) from None


def _measure(
    log: HorizonLog, recipe: str, overrides: list[str], seed: int
) -> tuple[ReturnMeasurement, InterestMeasurement, float]:
    """All predictions, and the CPU seconds of the model's."""
    from streams.settings.settings import recipe_settings

    settings = recipe_settings(recipe, tuple(overrides))
    repeats = log.dataset.allow_repeats
    model = replace(settings.model, horizons=True, allow_repeats=repeats, seed=seed)
    measurement, interest = ReturnMeasurement(log), InterestMeasurement(log)
    times = np.union1d(log.training_ms, log.test_ms)
    with _progress() as progress:
        task = progress.add_task(f"{log.name}: model", total=None)
        start_s, asked = time.process_time(), list[Asked]()

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        asked.extend(ask_model(log, model, settings.learning, times, interest, on_progress))
        seconds = time.process_time() - start_s
        measurement.add_model(asked)
        for name, fit in measurement.fit_baselines().items():
            task = progress.add_task(f"{log.name}: {name}", total=1)
            measurement.add(name, fit())
            progress.update(task, completed=1)
    return measurement, interest, seconds


def _costs(rounds: int) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    from bench.horizons.learning_cost import learning_cost
    from bench.horizons.step_cost import step_cost

    with _progress() as progress:
        step, learning = (progress.add_task(f"cost of {part}", total=None) for part in ("a step", "learning"))
        costs = step_cost(rounds, lambda done, total: progress.update(step, completed=done, total=total))
        return costs, learning_cost(lambda done, total: progress.update(learning, completed=done, total=total))


def _results(
    log: HorizonLog, measurement: ReturnMeasurement, figures: dict[str, dict[str, float]], name: str, seconds: float
) -> dict[str, Any]:
    figures = {name if scorer == "model" else scorer: values for scorer, values in figures.items()}
    about = {
        "horizon_days": log.schedule.horizon_days,
        "questions": len(measurement.test),
        "base_rate": round(float(measurement.labels.mean()), 5),
        "training_base_rate": round(float(measurement.training.returned(measurement.horizon_s).mean()), 5),
        "model_cpu_s": round(seconds, 1),
        "machine": machine_info(),
    }
    return {**figures, "about": about}


def _draw(measurement: ReturnMeasurement, folder: Path) -> None:
    # Imported here because it takes half a second.
    from bench.horizons.pictures import save_pictures

    for file in save_pictures(measurement, folder):
        _screen.print(f"drew {file}", highlight=False)


def _progress() -> Progress:
    columns = TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=_screen, transient=True)

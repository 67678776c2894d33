"""Arms of a benchmark on made-up data: measured one after another, with a progress bar each, and saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.progress import Progress, TaskID

from bench.errors import BenchError
from models.progress import ProgressCallback

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Result = TypeVar("Result")


def check_arms(arms: Sequence[str], known: Collection[str], warm_up: int, days: int) -> None:
    """BenchError for an arm that is not known, or where the warm-up leaves no day to be scored."""
    if unknown := [name for name in arms if name not in known]:
        raise BenchError(f"nothing is called {', '.join(unknown)}; there are {', '.join(known)}")
    if warm_up >= days:
        raise BenchError(f"--warm-up {warm_up} leaves nothing of {days} days: give more --days")


def measure_arms(arms: Collection[str], measure: Callable[[str, ProgressCallback], Result]) -> dict[str, Result]:
    """What `measure` gives for each arm, by name."""
    with Progress(transient=True) as progress:
        return {name: measure(name, partial(_update, progress, progress.add_task(name))) for name in arms}


def save_arms(file: Path, results: Mapping[str, DataclassInstance], best: float) -> None:
    """Write the results by arm as JSON, and beside them what the best possible predictions have."""
    figures = {name: asdict(result) for name, result in results.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(figures | {"best": best}, indent=2) + "\n")


def _update(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)

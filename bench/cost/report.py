"""Cost report: what the parts of a step cost, and what users and items take of memory, to read and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from rich.table import Table

from bench.cost.held_memory import Held

Repeats = Literal["allow", "filter"]

_HOLDERS: Final = {
    "row": "a user's row",
    "experts": "count experts, per item",
    "engine": "other item tables of the engine, per item",
    "learner": "item tables of the learner, per item",
}


class StepCost(msgspec.Struct, frozen=True):
    """µs per event of `Engine.step`."""

    batch: int
    parts: dict[str, float]
    whole: float
    """Of steps that were not taken apart"""
    beside: dict[str, float]
    """What else a worker does, per row, event or review"""

    @property
    def total(self) -> float:
        """Sum of the parts."""
        return sum(self.parts.values())


class ModelCost(msgspec.Struct, frozen=True):
    """All figures of one model."""

    repeats: Repeats
    steps: list[StepCost]
    events_per_learning_step: int
    learning: float
    """µs of a learning step per learnt event"""
    held: list[Held]


class CostReport(msgspec.Struct, frozen=True):
    """All figures of one run on one machine."""

    machine: dict[str, str | int]
    workload: dict[str, str | int]
    clock: str
    models: list[ModelCost]

    def save(self, file: Path) -> None:
        """The report as JSON, indented."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def tables(self) -> Iterator[Table]:
        """The report to read."""
        for model in self.models:
            yield self._times(model)
        yield self._memory()

    def _times(self, model: ModelCost) -> Table:
        steps, last = model.steps, model.steps[-1]
        title = f"repeats = {model.repeats}, {self.workload['items']:,} items: µs per event, {self.clock}"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("part of a step")
        for step in steps:
            table.add_column(f"batch of {step.batch:,}", justify="right")
        table.add_column("share of it", justify="right")
        for part, cost in last.parts.items():
            table.add_row(part, *(f"{step.parts[part]:,.1f}" for step in steps), f"{cost / last.total:.0%}")
        table.add_section()
        table.add_row("sum of the parts", *(f"{step.total:,.1f}" for step in steps), style="bold")
        table.add_row("a step, not taken apart", *(f"{step.whole:,.1f}" for step in steps), style="bold")
        table.add_section()
        for part in last.beside:
            table.add_row(part, *(f"{step.beside[part]:,.1f}" for step in steps))
        table.add_section()
        table.add_row(f"learning, {model.events_per_learning_step} events a step", f"{model.learning:,.1f}")
        return table

    def _memory(self) -> Table:
        title = "memory: bytes per user or item"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("held by")
        for model in self.models:
            table.add_column(f"repeats = {model.repeats}", justify="right")
        sizes = [{(each.holder, each.name): each.bytes for each in model.held} for model in self.models]
        names = dict.fromkeys(key for each in sizes for key in each)
        for holder, told in _HOLDERS.items():
            table.add_section()
            sums = (sum(size for (of, _), size in each.items() if of == holder) for each in sizes)
            table.add_row(told, *(f"{each:,.0f}" for each in sums), style="bold")
            for key in (key for key in names if key[0] == holder):
                table.add_row(f"  {key[1]}", *(f"{each[key]:,.0f}" if key in each else "" for each in sizes))
        return table

"""Cost report: time of the parts of a micro-batch, and memory per user and item, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from bench.cost.memory_use import MemoryUse

_OWNERS: Final = {
    "row": "a user's row",
    "experts": "count experts, per item",
    "engine": "other item tables of the engine, per item",
    "learner": "item tables of the learner, per item",
}


@dataclass(frozen=True)
class StepCost:
    """µs per event of `Engine.step`."""

    batch: int
    parts: dict[str, float]
    undivided: float
    """The same without the clock around the parts"""
    other: dict[str, float]
    """Other work of a worker, per row, event or review"""

    @property
    def total(self) -> float:
        """Sum of the parts."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class ModelCost:
    """Figures of one model."""

    allow_repeats: bool
    steps: list[StepCost]
    events_per_train_step: int
    training: float
    """µs of a train step per event"""
    newcomers: int
    takeover: float
    """µs for each of so many newcomers that take slots of others in a micro-batch"""
    memory: list[MemoryUse]


@dataclass(frozen=True)
class CostReport:
    """Figures of one run on one machine."""

    machine: dict[str, str | int]
    workload: dict[str, str | int]
    clock: str
    models: list[ModelCost]

    def save(self, file: Path) -> None:
        """Write the report as indented JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def tables(self) -> Iterator[Table]:
        """The times of each model, then memory."""
        for model in self.models:
            yield self._times(model)
        yield self._memory()

    def _times(self, model: ModelCost) -> Table:
        steps, last = model.steps, model.steps[-1]
        title = f"{_setting(model)}, {self.workload['items']:,} items: µs per event, {self.clock}"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("part of a micro-batch")
        for step in steps:
            table.add_column(f"batch of {step.batch:,}", justify="right")
        table.add_column("share", justify="right")
        for part, cost in last.parts.items():
            table.add_row(part, *(f"{step.parts[part]:,.1f}" for step in steps), f"{cost / last.total:.0%}")
        table.add_section()
        table.add_row("sum of the parts", *(f"{step.total:,.1f}" for step in steps), style="bold")
        table.add_row("not taken apart", *(f"{step.undivided:,.1f}" for step in steps), style="bold")
        table.add_section()
        for part in last.other:
            table.add_row(part, *(f"{step.other[part]:,.1f}" for step in steps))
        table.add_section()
        table.add_row(f"train step of {model.events_per_train_step} events", f"{model.training:,.1f}")
        table.add_row(f"slot taken over, of {model.newcomers} at once", f"{model.takeover:,.1f}")
        return table

    def _memory(self) -> Table:
        title = "memory: bytes per user or item"
        table = Table(title=title, title_justify="left", min_width=len(title))
        table.add_column("table or field")
        for model in self.models:
            table.add_column(_setting(model), justify="right")
        models = [{(use.owner, use.name): use.bytes for use in model.memory} for model in self.models]
        keys = dict.fromkeys(key for sizes in models for key in sizes)
        for owner, title in _OWNERS.items():
            table.add_section()
            totals = (sum(size for key, size in sizes.items() if key[0] == owner) for sizes in models)
            table.add_row(title, *(f"{total:,.0f}" for total in totals), style="bold")
            for key in (key for key in keys if key[0] == owner):
                table.add_row(f"  {key[1]}", *(f"{sizes[key]:,.0f}" if key in sizes else "" for sizes in models))
        return table


def _setting(model: ModelCost) -> str:
    return f"allow_repeats = {str(model.allow_repeats).lower()}"

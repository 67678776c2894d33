"""Report: what was measured, as a table to read and as JSON to compare."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.table import Table

from bench.throughput.peers.meter import Measurement

_LIBRARIES = ("faust-streaming", "aiokafka", "rocksdict", "numpy", "torch", "msgspec")


class Result(msgspec.Struct, frozen=True):
    """One program's cost."""

    name: str
    about: str
    events: int
    cpu_us_per_event: float
    events_per_s: float
    predictions_per_event: float
    """Records in its output topic by input event, transaction markers included."""
    stage_share: dict[str, float]
    """Part of the wall time of all stages that fell to each; empty where the program doesn't tell."""

    @classmethod
    def of(cls, name: str, about: str, measurement: Measurement, predictions_per_event: float) -> Result:
        """The measurement, per event."""
        total_s = sum(measurement.stage_s.values())
        return cls(
            name,
            about,
            measurement.events,
            round(1e6 * measurement.cpu_s / measurement.events, 2),
            round(measurement.events / measurement.wall_s, 1),
            round(predictions_per_event, 4),
            {stage: round(seconds / total_s, 4) for stage, seconds in measurement.stage_s.items() if total_s},
        )


class Report(msgspec.Struct, frozen=True):
    """The results of one run on one machine."""

    machine: dict[str, str | int]
    workload: dict[str, str | int | float]
    results: list[Result]
    ratios: dict[str, float]
    """CPU per event of the first program over that of the second, by "first / second"."""

    def save(self, file: Path) -> None:
        """The report as JSON, indented."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def table(self) -> Table:
        """The report to read."""
        table = Table(title="CPU of the worker process per event", title_justify="left")
        table.add_column("program")
        for column in ("CPU µs/event", "events/s", "predictions/event", "events"):
            table.add_column(column, justify="right")
        for result in self.results:
            table.add_row(
                result.name,
                f"{result.cpu_us_per_event:.1f}",
                f"{result.events_per_s:,.0f}",
                f"{result.predictions_per_event:.2f}",
                f"{result.events:,}",
            )
        return table

    def lines(self) -> list[str]:
        """What the table doesn't hold: what the programs are, where their time went, and the ratios."""
        lines = []
        for result in self.results:
            shares = sorted(result.stage_share.items(), key=lambda share: -share[1])
            spent = ", ".join(f"{stage} {share:.0%}" for stage, share in shares)
            lines.append(f"{result.name}: {result.about}" + (f" ({spent})" if spent else ""))
        return lines + [f"{pair}: {ratio:.2f} x" for pair, ratio in self.ratios.items()]


def machine() -> dict[str, str | int]:
    """What the figures of this run depend on: hardware and versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }


def ratios(results: Sequence[Result], pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """CPU per event of each pair's first over its second, for the pairs that were both measured."""
    cost = {result.name: result.cpu_us_per_event for result in results}
    return {
        f"{first} / {second}": round(cost[first] / cost[second], 3)
        for first, second in pairs
        if first in cost and second in cost and cost[second]
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

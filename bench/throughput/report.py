"""Throughput report: cost per event of each program, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
from rich.table import Table

from bench.throughput.peers.meter import Measurement


class ProgramResult(msgspec.Struct, frozen=True):
    """Cost per event of one program."""

    name: str
    about: str
    events: int
    cpu_us_per_event: float
    events_per_s: float
    predictions_per_event: float
    """Records of its output topic per input event, transaction markers included."""
    written_bytes_per_event: float | None
    """Size of all topics that it wrote on the broker's disk; None where that cannot be seen from here."""
    stage_share: dict[str, float]
    """Share of each stage in the wall time of all; empty if the program does not measure stages."""
    trainer_cpu_us_per_event: float = 0.0
    """CPU of the trainer beside it in the same time: it counts and learns what it can of the events"""

    @classmethod
    def of(
        cls, name: str, about: str, measurement: Measurement, output_records: int, written_bytes: int | None
    ) -> Self:
        """The measurement, per event."""
        total_s = sum(measurement.stage_s.values())
        return cls(
            name,
            about,
            measurement.events,
            round(1e6 * measurement.cpu_s / measurement.events, 2),
            round(measurement.events / measurement.wall_s, 1),
            round(output_records / measurement.applied, 4),
            None if written_bytes is None else round(written_bytes / measurement.applied, 1),
            {stage: round(seconds / total_s, 4) for stage, seconds in measurement.stage_s.items() if total_s},
            round(1e6 * measurement.trainer_cpu_s / measurement.events, 2),
        )


class ThroughputReport(msgspec.Struct, frozen=True):
    """Results of one run on one machine."""

    machine: dict[str, str | int]
    workload: dict[str, str | int | float]
    results: list[ProgramResult]
    ratios: dict[str, float]
    """CPU time per event of the first program divided by the second's, by "first / second"."""

    def save(self, file: Path) -> None:
        """Write the report as indented JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def table(self) -> Table:
        """The results as a table."""
        title = "Per event: CPU of the worker process and of the trainer's, predictions, bytes on the broker's disk"
        table = Table(title=title, title_justify="left")
        table.add_column("program", no_wrap=True)
        for column in ("CPU µs", "trainer µs", "predictions", "bytes", "events/s", "events"):
            table.add_column(column, justify="right")
        for result in self.results:
            table.add_row(
                result.name,
                f"{result.cpu_us_per_event:.1f}",
                f"{result.trainer_cpu_us_per_event:.1f}" if result.trainer_cpu_us_per_event else "",
                f"{result.predictions_per_event:.2f}",
                "?" if result.written_bytes_per_event is None else f"{result.written_bytes_per_event:,.0f}",
                f"{result.events_per_s:,.0f}",
                f"{result.events:,}",
            )
        return table

    def lines(self) -> list[str]:
        """Text below the table: what the programs are, their time by stage, and the ratios."""
        lines = []
        for result in self.results:
            shares = sorted(result.stage_share.items(), key=lambda share: -share[1])
            stages = ", ".join(f"{stage} {share:.0%}" for stage, share in shares)
            lines.append(f"{result.name}: {result.about}" + (f" ({stages})" if stages else ""))
        return lines + [f"{pair}: {ratio:.2f} x" for pair, ratio in self.ratios.items()]


def cost_ratios(results: Sequence[ProgramResult], pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """CPU time per event of each pair's first program divided by its second's, if both were measured."""
    cost = {result.name: result.cpu_us_per_event for result in results}
    return {
        f"{first} / {second}": round(cost[first] / cost[second], 3)
        for first, second in pairs
        if first in cost and second in cost and cost[second]
    }

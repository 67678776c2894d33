"""Command line of the benchmarks: `python -m bench throughput`, `quality`, `cost`."""

from __future__ import annotations

import typer

from bench.cost.command import cost
from bench.quality.command import quality
from bench.throughput.command import throughput

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Benchmarks: worker throughput beside other programs, prediction quality beside counters, and the cost of "
    "each part of a micro-batch.",
)
for command in (throughput, quality, cost):
    app.command()(command)

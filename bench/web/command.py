"""The command `python -m bench web`."""

from __future__ import annotations

import json as json_text
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.errors import BenchError
from bench.machine import machine_info
from bench.web.measurement import measure
from streams.errors import StreamError


def web(
    users: Annotated[int, typer.Option(min=1, help="Users with a prediction in the topic.")] = 1_000_000,
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 500.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long they are sent.")] = 30.0,
    predictions: Annotated[float, typer.Option(min=1, help="Predictions per second that come meanwhile.")] = 500.0,
    decisions: Annotated[float, typer.Option(min=0, help="Then so many decisions per second; 0: none.")] = 200.0,
    policy: Annotated[str, typer.Option(help="Policy that makes them.")] = "epsilon_greedy",
    json: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
) -> None:
    """Latency of the HTTP server under load, its memory and CPU time by users, and its restart.

    Predictions of so many users are written straight into their topic, and a server,
    on one core, reads them from the beginning. Then users at random are asked for
    (/v1/users/…/interests) at a fixed rate, in an open loop: latency counts from
    when a request was due, while new predictions are followed. Decisions of five
    places are asked for likewise, by a policy that has learnt nothing; each is in its
    topic when it is answered. Kafka and the load share the machine with it.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says while topics are made
    console = Console()
    with console.status("writing predictions") as status:
        names = ("writing predictions", "reading them", "sending requests", "restarting", "done")
        try:
            figures = measure(
                users, rate, seconds, predictions, decisions, policy, lambda done, _: status.update(names[done])
            )
        except* (BenchError, StreamError) as errors:
            console.print(f"[red]error:[/] {_first(errors)}", soft_wrap=True)
            raise typer.Exit(1) from None
    latency = f"p50 {figures.p50_ms:.1f} ms, p99 {figures.p99_ms:.1f} ms, max {figures.max_ms:.1f} ms"
    waited = "not known here" if figures.core_wait_share is None else f"{figures.core_wait_share:.0%} of the time"
    table = Table("", "", box=None, show_header=False)
    for name, value in (
        ("users", f"{figures.users:,}"),
        ("until all are read", f"{figures.read_s:.1f} s, {1e6 * figures.read_cpu_s / users:.0f} µs CPU per user"),
        ("ready again after a restart", f"{figures.restart_s:.1f} s"),
        ("memory", f"{figures.memory_mib:,.0f} MiB"),
        ("view on disk", f"{figures.view_mib:,.0f} MiB"),
        (f"{figures.answered:,} requests at {rate:g}/s", latency),
        ("of a core meanwhile", f"{figures.load_cpu_share:.0%}"),
        ("waiting for a core that others use", waited),
    ):
        table.add_row(name, value)
    if figures.decisions is not None:
        made = figures.decisions
        latency = f"p50 {made.p50_ms:.1f} ms, p99 {made.p99_ms:.1f} ms, max {made.max_ms:.1f} ms"
        table.add_row(f"{made.answered:,} decisions at {decisions:g}/s by {policy}", latency)
        table.add_row("of a core meanwhile", f"{made.cpu_share:.0%}")
    console.print(table)
    if json is not None:
        json.write_text(json_text.dumps({"machine": machine_info(), **asdict(figures)}, indent=2) + "\n")


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of the errors, which are alike: a request that is refused comes with hundreds."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first

"""The command `python -m bench decoding`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.decoding.formats import Record, records, schemas
from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import UserEvent

_ROUNDS = 7


def decoding(
    events: Annotated[int, typer.Option(min=1, help="Events of each format in each round.")] = 20_000,
) -> None:
    """CPU time that decoding an event takes, by the format that it comes in.

    The same event of six fields in every format, by the worker's decoder with its
    schemas loaded; the fastest of several rounds, in which the formats take turns.
    The bytes are those of the value.
    """
    given, transcoder = records(), schemas()
    rules = {name: SchemaRules(transcoder=None if name.startswith("JSON,") else transcoder) for name in given}
    best = dict.fromkeys(given, float("inf"))
    for _ in range(_ROUNDS):
        for name, record in given.items():
            best[name] = min(best[name], cost(record, rules[name], events))
    table = Table("format", "bytes", "CPU µs per event", "times canonical JSON", box=None)
    fastest = next(iter(best.values()))
    for name, record in given.items():
        table.add_row(name, str(len(record.value or b"")), f"{1e6 * best[name]:.2f}", f"{best[name] / fastest:.1f}")
    Console().print(table)


def cost(record: Record, rules: SchemaRules, events: int) -> float:
    """CPU seconds of decoding the record once, as the mean of so many times."""
    (event,), rejected = decode(record, rules=rules)
    assert isinstance(event, UserEvent), rejected
    begin_s = time.process_time()
    for _ in range(events):
        decode(record, rules=rules)
    return (time.process_time() - begin_s) / events

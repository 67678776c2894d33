"""Report of the GPU benchmark: all figures as JSON, and one row per part as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from bench.gpu.part import PartResult

_STYLES = {"passed": "green", "failed": "red", "skipped": "yellow", "shortened": "yellow"}


def save(file: Path, environment: dict[str, Any], results: Sequence[PartResult]) -> None:
    """Write the report; the parts that have run so far are enough."""
    report = {"environment": environment, "parts": [asdict(result) for result in results]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> list[PartResult]:
    """The parts of a report."""
    return [PartResult(**part) for part in json.loads(file.read_text(encoding="utf-8"))["parts"]]


def table(environment: dict[str, Any], results: Sequence[PartResult]) -> Table:
    """One row per part: status, seconds, and figures or reason."""
    card = environment["card"]["name"] if environment["card"] else environment["processor"]
    title = f"{card}, torch {environment['torch']}, commit {environment['commit'][:12]}"
    rows = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("part", "", "s", "figures"):
        rows.add_column(column, justify="right" if column == "s" else "left", overflow="fold")
    for result in results:
        text = "; ".join(filter(None, (result.reason, result.summary)))
        status = f"[{_STYLES[result.status]}]{result.status}[/]"
        rows.add_row(result.name, status, f"{result.seconds:.1f}", escape(text))
    return rows

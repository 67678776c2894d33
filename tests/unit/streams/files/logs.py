"""Logs of a few lines."""

from pathlib import Path
from typing import Any

from streams.files.event_logs import read_events
from streams.files.event_roles import parse_columns
from streams.files.formats.dialect import FormatOptions


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def triples(path: Path, columns: str = "", skip_bad: bool = False, **options: Any) -> list[tuple[str, str, int]]:
    """User, item and time in seconds of every event."""
    log = read_events(path, parse_columns(columns), skip_bad, FormatOptions(**options))
    return [(event.user_id, event.item_id, event.time_ms // 1000) for event in log.events]

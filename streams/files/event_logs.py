"""Event log files: MovieLens `.inter` and `.dat`, CSV and TSV with named columns, JSON lines."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson

from streams.errors import Rejected
from streams.files.delimited import JSON_SUFFIXES, LogError, open_text, read_delimited, suffix_of
from streams.schema.times import SECONDS_BELOW, time_ms

COLUMN_ALIASES = {  # role → column names that mean it, in lower case
    "user": ("user_id", "user", "userid", "uid", "customer_id", "reviewerid", "visitorid"),
    "item": ("item_id", "item", "itemid", "iid", "movie_id", "movieid", "product_id", "asin", "track_id", "article_id"),
    "time": (
        "timestamp",
        "time",
        "ts",
        "time_ms",
        "event_time",
        "sentat",
        "unixreviewtime",
        "datetime",
        "date",
        "created_at",
    ),
    "value": ("rating", "value", "event_value", "eventvalue", "score", "overall", "stars"),
    "text": ("text", "review", "review_text", "reviewtext", "comment"),
    "type": ("event_type", "eventtype", "type", "event", "action", "behavior"),
}
REQUIRED = ("user", "item", "time")
ITEMLESS_TYPES = ("search", "user.delete")
RATINGS_COLUMNS = ("user_id", "item_id", "rating", "timestamp")  # MovieLens files without a header


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of an event log."""

    user_id: str
    item_id: str  # "" if the event has no item
    time_ms: int
    event_type: str
    event_id: str  # file and line: the same at every replay
    value: float | None = None
    text: str | None = None
    extra_fields: Mapping[str, object] | None = None  # other fields of a JSON line

    def encode(self) -> bytes:
        """The `user-events` record value."""
        # Times near the epoch would be read as seconds, so they are written as seconds.
        as_seconds = self.time_ms < SECONDS_BELOW
        record: dict[str, object] = {
            "schema_version": 1,
            **(self.extra_fields or {}),
            "event_id": self.event_id,
            "event_type": self.event_type,
            "user_id": self.user_id,
            "timestamp": self.time_ms / 1000 if as_seconds else self.time_ms,
        }
        if self.item_id:
            record["item_id"] = self.item_id
        if self.value is not None:
            record["value"] = self.value
        if self.text:
            record["text"] = self.text
        return orjson.dumps(record)


@dataclass(frozen=True, slots=True)
class EventLog:
    """A file's events sorted by time; equal times keep the file's order."""

    events: list[LoggedEvent]
    bad_lines: int


Row = tuple[int, Callable[[], LoggedEvent]]  # line number; parses the line or raises ValueError


def parse_columns(text: str | None) -> dict[str, str]:
    """Column name by role, from the option's text `user=user_id,item=movie_id,…`."""
    columns: dict[str, str] = {}
    for part in filter(None, (text or "").split(",")):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if role not in COLUMN_ALIASES or not equals or not column:
            raise LogError(f"--columns {part!r}: expected ROLE=COLUMN with a role of {', '.join(COLUMN_ALIASES)}")
        columns[role] = column
    return columns


def read_events(path: Path, columns: Mapping[str, str] | None = None, skip_bad: bool = False) -> EventLog:
    """Every event of the file, sorted by time.

    Raises LogError at the first bad line (`skip_bad` counts them instead), and for a file without events.
    """
    rows = _json_rows(path, columns or {}) if suffix_of(path) in JSON_SUFFIXES else _delimited_rows(path, columns or {})
    events: list[LoggedEvent] = []
    bad_lines = 0
    for number, parse in rows:
        try:
            events.append(parse())
        except (ValueError, OverflowError) as error:
            if not skip_bad:
                raise LogError(f"{path}:{number}: {error}; --skip-bad leaves such lines out") from None
            bad_lines += 1
    if not events:
        raise LogError(f"{path}: no event in it ({bad_lines} bad lines)")
    events.sort(key=attrgetter("time_ms"))
    return EventLog(events, bad_lines)


def parse_time_ms(text: str) -> int:
    """Epoch milliseconds of a time in any form that `user-events` accepts. Raises ValueError."""
    try:
        time = time_ms(text)
    except Rejected as error:
        raise ValueError(error.message) from None
    if time is None:
        raise ValueError(f"the time {text!r} means that none was set")
    return time


def _delimited_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    table = read_delimited(path, RATINGS_COLUMNS)
    index_of = table.column_indexes(COLUMN_ALIASES, columns, REQUIRED)
    column_count, name = len(table.names), path.name

    def parse(number: int, cells: list[str]) -> LoggedEvent:
        if len(cells) != column_count:
            raise ValueError(f"{len(cells)} columns where {column_count} are expected")
        return _event(f"{name}:{number}", {role: cells[index] for role, index in index_of.items()})

    return ((number, partial(parse, number, cells)) for number, cells in table.rows)


def _json_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    role_of = {alias: role for role, aliases in COLUMN_ALIASES.items() if role not in columns for alias in aliases}
    role_of |= {column.lower(): role for role, column in columns.items()}

    def parse(number: int, line: str) -> LoggedEvent:
        fields = orjson.loads(line)
        if not isinstance(fields, dict):
            raise ValueError("not a JSON object")
        values: dict[str, Any] = {}
        extra_fields = {}
        for key, value in fields.items():
            role = role_of.get(key.lower())
            if role is None:
                extra_fields[key] = value
            elif value is not None:
                values.setdefault(role, value)
        event_id = extra_fields.pop("event_id", None) or extra_fields.pop("eventId", None) or f"{path.name}:{number}"
        return _event(str(event_id), {role: str(value) for role, value in values.items()}, extra_fields)

    return ((number, partial(parse, number, line)) for number, line in enumerate(open_text(path), 1) if line.strip())


def _event(event_id: str, cells: Mapping[str, str], extra_fields: Mapping[str, object] | None = None) -> LoggedEvent:
    user, item, time = cells.get("user", ""), cells.get("item", ""), cells.get("time", "")
    text, value = cells.get("text") or None, _number(cells.get("value", ""))
    event_type = cells.get("type") or ("review" if text else "view" if value is None else "rating")
    if not user:
        raise ValueError("the user is empty")
    if not time:
        raise ValueError("the time is empty")
    if not item and event_type not in ITEMLESS_TYPES:
        raise ValueError("the item is empty")
    return LoggedEvent(user, item, parse_time_ms(time), event_type, event_id, value, text, extra_fields or None)


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"value {text!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"value {text!r} is not finite")
    return value

"""Event log files: delimited text with named or numbered columns, JSON (lines or an array), Parquet."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from streams.errors import Rejected
from streams.files.formats.compression import check_is_file, data_suffix
from streams.files.formats.delimited import JSON_SUFFIXES, PARQUET_SUFFIXES, given, read_delimited
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.json_objects import is_array, json_objects
from streams.files.formats.log_error import BadLine, LogError
from streams.files.formats.parquet import parquet_columns, parquet_rows
from streams.files.formats.text_lines import TextFile, open_text
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent, RoleNames, check_first_time, event_of_cells, event_of_fields
from streams.schema.adapters.registry import adapter_of
from streams.schema.parsing.field_map import look_up, parse_path

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
RATINGS_COLUMNS = ("user_id", "item_id", "rating", "timestamp")  # MovieLens files without a header
_CANONICAL_NAMES = {
    "user": "user_id", "item": "item_id", "time": "timestamp", "value": "value", "text": "text", "type": "event_type",
}  # fmt: skip
_KNOWN_NAMES = frozenset(alias for aliases in COLUMN_ALIASES.values() for alias in aliases)

Row = tuple[int, list[LoggedEvent] | BadLine]
"""Line number, and the line's events (several only in JSON of other formats)"""


@dataclass(frozen=True, slots=True)
class EventFile:
    """An event log file whose format is known."""

    path: Path
    description: str
    """Format and columns in one line"""
    _rows: Callable[[], Iterator[Row]]

    def events(self, left_out: LeftOut, skip_bad: bool = False) -> Iterator[LoggedEvent]:
        """The events in the file's order; the file is read anew for each iteration, in constant memory.

        Raises LogError at the first bad line; `skip_bad` counts them in `left_out` instead.
        """
        for number, row in self._rows():
            if isinstance(row, BadLine):
                if not skip_bad:
                    raise LogError(f"{self.path}:{number}: {row.message}; --skip-bad leaves such lines out")
                left_out.add(row.reason, f"{self.path.name}:{number}", row.message)
            elif row:
                yield from row
            else:
                left_out.add("no event of interest", f"{self.path.name}:{number}")


@dataclass(frozen=True, slots=True)
class EventLog:
    """A file's events sorted by time; equal times keep the file's order."""

    events: list[LoggedEvent]
    left_out: LeftOut
    description: str

    @property
    def bad_lines(self) -> int:
        """Lines that were left out."""
        return self.left_out.total


def parse_columns(text: str | None) -> dict[str, str]:
    """Column by role, from the option's text `user=user_id,item=movie_id,…`."""
    columns: dict[str, str] = {}
    for part in filter(None, (text or "").split(",")):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if role not in COLUMN_ALIASES or not equals or not column:
            raise LogError(f"--columns {part!r}: expected ROLE=COLUMN with a role of {', '.join(COLUMN_ALIASES)}")
        columns[role] = column
    return columns


def open_events(
    path: Path, columns: Mapping[str, str] | None = None, options: FormatOptions | None = None
) -> EventFile:
    """The file with its format, detected where `options` leave it open. Raises LogError."""
    check_is_file(path)
    columns, options, suffix = columns or {}, options or FormatOptions(), data_suffix(path)
    if suffix in PARQUET_SUFFIXES:
        return _parquet_file(path, columns)
    if suffix in JSON_SUFFIXES and options.delimiter is None:
        return _json_file(open_text(path, options.encoding), columns)
    return _delimited_file(path, columns, options)


def read_events(
    path: Path,
    columns: Mapping[str, str] | None = None,
    skip_bad: bool = False,
    options: FormatOptions | None = None,
) -> EventLog:
    """Every event of the file, sorted by time, in memory.

    Raises LogError at the first bad line (`skip_bad` counts them instead), and for a file without events.
    """
    file, left_out = open_events(path, columns, options), LeftOut()
    events = list(file.events(left_out, skip_bad))
    if not events:
        raise LogError(no_events(path, left_out))
    events.sort(key=attrgetter("time_ms"))
    return EventLog(events, left_out, file.description)


def no_events(path: Path, left_out: LeftOut) -> str:
    """The message for a file without an event."""
    return "\n  ".join([f"{path}: no event in it ({left_out.total:,} bad lines)", *left_out.lines()])


def _delimited_file(path: Path, columns: Mapping[str, str], options: FormatOptions) -> EventFile:
    known_names = _KNOWN_NAMES.union(column.lower() for column in columns.values() if not column.isdigit())
    table = read_delimited(path, RATINGS_COLUMNS, options, known_names)
    index_of = table.column_indexes(COLUMN_ALIASES, columns, REQUIRED)
    roles = RoleNames({role: table.names[index] for role, index in index_of.items()})
    user, item, time = (index_of[role] for role in REQUIRED)
    value, text, type_ = (index_of.get(role) for role in ("value", "text", "type"))
    name = path.name
    for number, cells in table.rows():
        if not isinstance(cells, BadLine):
            try:
                check_first_time(cells[time], roles)
            except BadLine as bad:
                raise LogError(f"{path}:{number}: {bad.message}") from None
            break

    def rows() -> Iterator[Row]:
        for number, cells in table.rows():
            if isinstance(cells, BadLine):
                yield number, cells
                continue
            try:
                event = event_of_cells(
                    f"{name}:{number}",
                    roles,
                    given(cells[user]),
                    given(cells[item]),
                    cells[time],
                    "" if value is None else given(cells[value]),
                    "" if text is None else cells[text],
                    "" if type_ is None else given(cells[type_]),
                )
            except BadLine as bad:
                yield number, bad
            else:
                yield number, [event]

    return EventFile(path, _describe(path, table.describe(), roles), rows)


def _json_file(text: TextFile, columns: Mapping[str, str]) -> EventFile:
    role_of = {alias: role for role, aliases in COLUMN_ALIASES.items() if role not in columns for alias in aliases}
    paths = {role: parse_path(column) for role, column in columns.items()}
    chosen = {column: role for role, column in columns.items()}
    name, array = text.path.name, is_array(text)

    def event(event_id: str, fields: dict[str, Any]) -> LoggedEvent:
        values: dict[str, Any] = {}
        names: dict[str, str] = {}
        extra_fields: dict[str, object] = {}
        for key, value in fields.items():
            role = chosen.get(key) or role_of.get(key.lower())
            if role is None:
                extra_fields[key] = value
            elif value is not None and role not in values:
                values[role], names[role] = value, key
        for role, path in paths.items():
            if role not in values and (value := look_up(fields, path)) is not None:
                values[role], names[role] = value, columns[role]
        event_id = str(extra_fields.pop("event_id", None) or extra_fields.pop("eventId", None) or event_id)
        return event_of_fields(event_id, RoleNames(names), values, extra_fields)

    def rows() -> Iterator[Row]:
        for index, (number, fields) in enumerate(json_objects(text), 1):
            if isinstance(fields, BadLine):
                yield number, fields
                continue
            event_id = f"{name}:{index if array else number}"  # a line of an array may hold several elements
            try:
                yield number, [event(event_id, fields)]
            except BadLine as bad:
                yield number, bad if columns else _adapted(event_id, fields, bad)

    layout = "one JSON array" if array else "one JSON object per line"
    note = f" ({text.note})" if text.note else ""
    return EventFile(text.path, _describe(text.path, f"{layout}, {text.encoding}{note}", RoleNames(columns)), rows)


@dataclass(frozen=True, slots=True)
class _LineRecord:
    """A line of a file as the record that an adapter reads."""

    topic: str = ""
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: None = None
    value: None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def _adapted(event_id: str, fields: dict[str, Any], bad: BadLine) -> list[LoggedEvent] | BadLine:
    """The events of an object in another format that `user-events` accepts (Segment, PostHog, …), else `bad`."""
    record = _LineRecord()
    adapter = adapter_of(fields, record)
    if adapter.name == "canonical":
        return bad
    try:
        events = adapter.events(fields, record)
    except Rejected as error:
        return BadLine(f"{adapter.name}: {error.code}", f"as an event of {adapter.name}: {error.message}")
    logged = []
    for index, event in enumerate(events):
        extra_fields = {name: value for name, value in event.items() if value is not None}
        values = {
            role: value
            for role, name in _CANONICAL_NAMES.items()
            if (value := extra_fields.pop(name, None)) is not None
        }
        sent_id = extra_fields.pop("event_id", None)
        id_ = str(sent_id or event_id) if len(events) == 1 else f"{event_id}:{index}"
        try:
            logged.append(event_of_fields(id_, RoleNames({}), values, extra_fields))
        except BadLine as fault:
            return BadLine(fault.reason, f"as an event of {adapter.name}: {fault.message}")
    return logged


def _parquet_file(path: Path, columns: Mapping[str, str]) -> EventFile:
    names = {name.lower(): name for name in reversed(parquet_columns(path))}
    paths = dict(columns)
    for role, aliases in COLUMN_ALIASES.items():
        if role not in columns and (name := next((names[alias] for alias in aliases if alias in names), None)):
            paths[role] = name
    for role in REQUIRED:
        if role not in paths:
            advice = f"name it with --columns {role}=COLUMN"
            raise LogError(f"{path}: no column looks like the {role} (columns: {', '.join(names.values())}); {advice}")
    for role, column in columns.items():
        if column not in names.values() and str(parse_path(column)[0]) not in names.values():
            raise LogError(f"{path}: no column {column!r} for {role}; columns: {', '.join(names.values())}")
    roles = RoleNames(paths)

    def rows() -> Iterator[Row]:
        for number, values in parquet_rows(path, paths):
            try:
                yield number, [event_of_fields(f"{path.name}:{number}", roles, values, None)]
            except BadLine as bad:
                yield number, bad

    return EventFile(path, _describe(path, "Parquet", roles), rows)


def _describe(path: Path, format_: str, roles: RoleNames) -> str:
    columns = ", ".join(f"{role}={name}" for role, name in roles.names.items())
    text = f"{path.name}: {format_}{'; columns ' if columns else ''}{columns}"
    return "".join(character if character.isprintable() else "�" for character in text)

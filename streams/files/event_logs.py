"""Event log files: delimited text with named or numbered columns, JSON (lines or an array), Parquet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from streams.files.event_roles import COLUMN_ALIASES, KNOWN_NAMES, RATINGS_COLUMNS, REQUIRED, EventRoles
from streams.files.formats.column_key import column_key
from streams.files.formats.compression import check_is_file, data_suffix
from streams.files.formats.delimited import JSON_SUFFIXES, PARQUET_SUFFIXES, given, read_delimited
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.json_objects import is_array, looks_like_json
from streams.files.formats.log_error import BadLine, LogError
from streams.files.formats.parquet import parquet_columns, parquet_rows
from streams.files.formats.text_lines import TextFile, open_text
from streams.files.json_events import JsonEvents
from streams.files.left_out import LeftOut
from streams.files.log_times import LogTimes
from streams.files.logged_event import LoggedEvent, event_of_cells, event_of_fields
from streams.files.role_names import RoleNames
from streams.schema.decoder import SchemaRules
from streams.schema.parsing.field_map import parse_path

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

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def unit(self) -> str:
        """What it consists of."""
        return "lines"

    def sequences(self, left_out: LeftOut) -> Iterator[Iterator[LoggedEvent]]:
        """All events, as one sequence; bad lines are counted."""
        yield self.events(left_out, skip_bad=True)


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


def open_events(
    path: Path,
    columns: Mapping[str, str] | None = None,
    options: FormatOptions | None = None,
    rules: SchemaRules | None = None,
) -> EventFile:
    """The file with its format, detected where `options` leave it open; `rules` are those of the settings.

    Raises LogError.
    """
    check_is_file(path)
    roles, options, suffix = EventRoles.of(columns, rules), options or FormatOptions(), data_suffix(path)
    if suffix in PARQUET_SUFFIXES:
        return _parquet_file(path, roles)
    if options.delimiter is None:
        text = open_text(path, options.encoding)
        if suffix in JSON_SUFFIXES or looks_like_json(text):
            return _json_file(text, roles)
    return _delimited_file(path, roles, options)


def read_events(
    path: Path,
    columns: Mapping[str, str] | None = None,
    skip_bad: bool = False,
    options: FormatOptions | None = None,
    rules: SchemaRules | None = None,
) -> EventLog:
    """Every event of the file, sorted by time, in memory.

    Raises LogError at the first bad line (`skip_bad` counts them instead), and for a file without events.
    """
    file, left_out = open_events(path, columns, options, rules), LeftOut()
    events = list(file.events(left_out, skip_bad))
    if not events:
        raise LogError(no_events(str(path), left_out))
    events.sort(key=attrgetter("time_ms"))
    return EventLog(events, left_out, file.description)


def no_events(name: str, left_out: LeftOut, unit: str = "lines") -> str:
    """The message for a file or topic without an event; `unit` is what it consists of."""
    if not left_out.total:
        return f"{name}: no event in it: it is empty"
    return "\n  ".join([f"{name}: no event in it ({left_out.total:,} bad {unit})", *left_out.lines()])


def _delimited_file(path: Path, roles: EventRoles, options: FormatOptions) -> EventFile:
    given_names = [*roles.chosen.values(), *roles.mapped.values()]
    known_names = KNOWN_NAMES.union(column_key(name) for name in given_names if not name.isdigit())
    table = read_delimited(path, RATINGS_COLUMNS, options, known_names, time_is_last=True)
    index_of = table.column_indexes(COLUMN_ALIASES, roles.chosen, REQUIRED, roles.mapped)
    names = RoleNames({role: table.names[index] for role, index in index_of.items()})
    others = [(name, index_of[role]) for role, name in roles.other_names.items() if role in index_of]
    user, item, time = (index_of[role] for role in REQUIRED)
    value, text, type_ = (index_of.get(role) for role in ("value", "text", "type"))
    name = path.name

    def rows() -> Iterator[Row]:
        times = LogTimes()
        for number, cells in table.rows():
            if isinstance(cells, BadLine):
                yield number, cells
                continue
            event_id, extra_fields = f"{name}:{number}", None
            if others:
                extra_fields = {other: cell for other, i in others if (cell := given(cells[i]))}
                event_id = extra_fields.pop("event_id", event_id)
            try:
                event = event_of_cells(
                    event_id,
                    names,
                    times,
                    given(cells[user]),
                    given(cells[item]),
                    cells[time],
                    "" if value is None else given(cells[value]),
                    "" if text is None else cells[text],
                    "" if type_ is None else given(cells[type_]),
                    extra_fields,
                    roles.types,
                )
            except BadLine as bad:
                yield number, bad
            else:
                yield number, [] if event is None else [event]

    return EventFile(path, _describe(path, table.describe(), names), rows)


def _json_file(text: TextFile, roles: EventRoles) -> EventFile:
    layout = "one JSON array" if is_array(text) else "one JSON object per line"
    note = f" ({text.note})" if text.note else ""
    names = RoleNames({**roles.mapped, **roles.chosen})
    description = _describe(text.path, f"{layout}, {text.encoding}{note}", names)
    return EventFile(text.path, description, JsonEvents(text, roles).rows)


def _parquet_file(path: Path, roles: EventRoles) -> EventFile:
    columns = parquet_columns(path)
    names = {column_key(name): name for name in reversed(columns)}
    there = {role: mapped for role, mapped in roles.mapped.items() if _has(columns, mapped)}
    paths = {**there, **roles.chosen}
    for role, aliases in COLUMN_ALIASES.items():
        if role not in paths and (name := next((names[key] for key in map(column_key, aliases) if key in names), None)):
            paths[role] = name
    for role in REQUIRED:
        if role not in paths:
            advice = f"name it with --columns {role}=COLUMN"
            raise LogError(f"{path}: no column looks like the {role} (columns: {', '.join(names.values())}); {advice}")
    for role, column in roles.chosen.items():
        if not _has(columns, column):
            raise LogError(f"{path}: no column {column!r} for {role}; columns: {', '.join(names.values())}")
    role_names = RoleNames(paths)

    def rows() -> Iterator[Row]:
        times = LogTimes()
        for number, values in parquet_rows(path, paths):
            others = {name: values.pop(role) for role, name in roles.other_names.items() if role in values}
            event_id = str(others.pop("event_id", None) or f"{path.name}:{number}")
            try:
                event = event_of_fields(event_id, role_names, times, values, others, roles.types)
            except BadLine as bad:
                yield number, bad
            else:
                yield number, [] if event is None else [event]

    return EventFile(path, _describe(path, "Parquet", role_names), rows)


def _has(columns: Sequence[str], path: str) -> bool:
    """Whether a column has this name, or that of the path's first part."""
    return path in columns or str(parse_path(path)[0]) in columns


def _describe(path: Path, format_: str, roles: RoleNames) -> str:
    columns = ", ".join(f"{role}={name}" for role, name in roles.names.items())
    text = f"{path.name}: {format_}{'; columns ' if columns else ''}{columns}"
    return "".join(character if character.isprintable() else "�" for character in text)

"""Events of JSON files: by the names of fields, by `[events.map]`, or by the adapter of their platform's format."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from streams.errors import Rejected
from streams.files.event_roles import COLUMN_ALIASES, REQUIRED, EventRoles
from streams.files.formats.column_key import column_key
from streams.files.formats.json_objects import is_array, json_objects
from streams.files.formats.log_error import BadLine, quoted
from streams.files.formats.text_lines import TextFile
from streams.files.log_times import LogTimes
from streams.files.logged_event import LoggedEvent, event_of_fields
from streams.files.role_names import RoleNames
from streams.schema.adapters.adapter import Adapter
from streams.schema.adapters.registry import adapter_of, canonical_events, without_envelope
from streams.schema.parsing.field_map import FieldMap, look_up, parse_path
from streams.settings.sections import EVENT_ROLES

_MOST_SHOWN: Final = 200  # characters
_CANONICAL_NAMES: Final = {role: EVENT_ROLES[role] for role in COLUMN_ALIASES}


class JsonEvents:
    """Turns the objects of one file into events."""

    def __init__(self, text: TextFile, roles: EventRoles) -> None:
        self._text = text
        self._roles = roles
        self._field_map = FieldMap(roles.mapped) if roles.mapped else None
        given = {**roles.mapped, **roles.chosen}
        self._role_of = {
            column_key(alias): role
            for role, names in COLUMN_ALIASES.items()
            if role not in roles.chosen
            for alias in names
        }
        self._role_of_name = {column: role for role, column in given.items()}
        self._paths = [(role, column, parse_path(column)) for role, column in given.items()]

    def rows(self) -> Iterator[tuple[int, list[LoggedEvent] | BadLine]]:
        """Line number, and the line's events (several only in other formats) or why there are none."""
        name, array, times = self._text.path.name, is_array(self._text), LogTimes()
        for index, (number, fields) in enumerate(json_objects(self._text), 1):
            if isinstance(fields, BadLine):
                yield number, fields
            else:
                # A line of an array may hold several elements.
                yield number, self._events(f"{name}:{index if array else number}", times, fields)

    def _events(self, event_id: str, times: LogTimes, line: dict[str, Any]) -> list[LoggedEvent] | BadLine:
        fields = without_envelope(line)
        if not isinstance(fields, dict):
            return BadLine("not a JSON object", f"the payload is not a JSON object: {quoted(str(fields))}")
        adapted = None
        if not self._roles.chosen and (adapter := adapter_of(fields, _LINE)).name != "canonical":
            # As in the stream: which format it is decides before the names of fields do.
            adapted = self._adapted(adapter, event_id, times, fields)
            if not isinstance(adapted, BadLine):
                return adapted
        try:
            event = self._event(event_id, times, fields)
        except BadLine as bad:
            return adapted or bad
        return [] if event is None else [event]

    def _event(self, event_id: str, times: LogTimes, fields: dict[str, Any]) -> LoggedEvent | None:
        """The event whose fields have usual names, or those that were given."""
        values: dict[str, Any] = {}
        names: dict[str, str] = {}
        extra_fields: dict[str, object] = {}
        for role, column, path in self._paths:
            value = fields[column] if column in fields else look_up(fields, path)
            if value is not None:
                values[role], names[role] = value, column
        for key, value in fields.items():
            role_of_key = self._role_of_name.get(key) or self._role_of.get(column_key(key))
            if role_of_key is None:
                extra_fields[key] = value
            elif value is not None and role_of_key not in values:
                values[role_of_key], names[role_of_key] = value, key
        for role, name in self._roles.other_names.items():
            if role in values:
                extra_fields[name] = values.pop(role)
        event_id = str(extra_fields.pop("event_id", None) or extra_fields.pop("eventId", None) or event_id)
        try:
            return event_of_fields(event_id, RoleNames(names), times, values, extra_fields, self._roles.types)
        except BadLine as bad:
            missing = next((role for role in REQUIRED if bad.reason == f"the {role} is empty"), None)
            if missing is None or missing in values:
                raise
            advice = f"(fields: {', '.join(fields)[:_MOST_SHOWN]}); name it with --columns {missing}=FIELD"
            raise BadLine(f"no field for the {missing}", f"no field looks like the {missing} {advice}") from None

    def _adapted(
        self, adapter: Adapter, event_id: str, times: LogTimes, fields: dict[str, Any]
    ) -> list[LoggedEvent] | BadLine:
        """The events of an object in another format that `user-events` accepts (Segment, PostHog, …)."""
        events = canonical_events(fields, _LINE, self._field_map, names=self._roles.types)
        logged = []
        for index, event in enumerate(events):
            if isinstance(event, Rejected):
                return BadLine(f"{adapter.name}: {event.code}", f"as an event of {adapter.name}: {event.message}")
            extra_fields = {name: value for name, value in event.items() if value is not None}
            values = {
                role: value
                for role, name in _CANONICAL_NAMES.items()
                if (value := extra_fields.pop(name, None)) is not None
            }
            sent_id = extra_fields.pop("event_id", None)
            id_ = str(sent_id or event_id) if len(events) == 1 else f"{event_id}:{index}"
            try:
                one = event_of_fields(id_, RoleNames({}), times, values, extra_fields, self._roles.types)
            except BadLine as fault:
                return BadLine(fault.reason, f"as an event of {adapter.name}: {fault.message}")
            if one is not None:
                logged.append(one)
        return logged


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


_LINE: Final = _LineRecord()

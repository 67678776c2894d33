"""One event of an event log, and how cells and fields become one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from streams.files.formats.log_error import BadLine, quoted
from streams.files.log_times import LogTimes
from streams.files.role_names import RoleNames
from streams.schema.events import ITEM_EVENTS, MAX_ID_LENGTH
from streams.schema.parsing.event_types import BUILT_IN_NAMES, UNKNOWN_ERASURE, EventTypeNames, unknown_erasure
from streams.schema.parsing.times import SECONDS_BELOW
from streams.settings.sections import IGNORED_TYPE


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


def event_of_cells(
    event_id: str,
    roles: RoleNames,
    times: LogTimes,
    user: str,
    item: str,
    time: str | int,
    value: str = "",
    text: str = "",
    type_: str = "",
    extra_fields: Mapping[str, object] | None = None,
    types: EventTypeNames = BUILT_IN_NAMES,
) -> LoggedEvent | None:
    """The event of these cells, "" = not given; None where `types` leaves it out. Raises BadLine."""
    number = _number(value, roles) if value else None
    event_type = types[type_] if type_ else "review" if text else "view" if number is None else "rating"
    if event_type == IGNORED_TYPE:
        return None
    if event_type == UNKNOWN_ERASURE:
        raise BadLine("the type may be an erasure", unknown_erasure(type_))
    if not user:
        raise BadLine("the user is empty", f"{roles.describe('user')} is empty")
    for role, id_ in (("user", user), ("item", item)):
        if len(id_) > MAX_ID_LENGTH:
            fault = f"{roles.describe(role)} has {len(id_)} characters; at most {MAX_ID_LENGTH} are accepted"
            raise BadLine(f"the {role} is too long", fault)
    if time == "":
        raise BadLine("the time is empty", f"{roles.describe('time')} is empty")
    if not item and event_type in ITEM_EVENTS:
        raise BadLine("the item is empty", f"{roles.describe('item')} is empty")
    return LoggedEvent(
        user, item, times.ms(time, roles), event_type, event_id, number, text or None, extra_fields or None
    )


def event_of_fields(
    event_id: str,
    roles: RoleNames,
    times: LogTimes,
    values: Mapping[str, Any],
    extra_fields: Mapping[str, object] | None,
    types: EventTypeNames = BUILT_IN_NAMES,
) -> LoggedEvent | None:
    """The event of JSON or Parquet values by role; None where `types` leaves it out.

    Raises BadLine, for an object or array as an id too.
    """
    cells = {role: _cell(role, value, roles) for role, value in values.items()}
    return event_of_cells(
        event_id,
        roles,
        times,
        str(cells.get("user", "")),
        str(cells.get("item", "")),
        cells.get("time", ""),
        str(cells.get("value", "")),
        str(cells.get("text", "")),
        str(cells.get("type", "")),
        extra_fields,
        types,
    )


def _cell(role: str, value: Any, roles: RoleNames) -> str | int:
    """The value as text; a time may stay a number."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        kind = "a boolean" if isinstance(value, bool) else "an object" if isinstance(value, dict) else "an array"
        name = roles.names.get(role, role)
        advice = f"; a value inside goes by its path: --columns {role}={name}.FIELD" if isinstance(value, dict) else ""
        raise BadLine(f"the {role} is {kind}", f"{roles.describe(role)} is {kind}: {quoted(str(value))}{advice}")
    if isinstance(value, float):
        if math.isnan(value) and role != "time":
            return ""  # how pandas writes a missing value
        # Integers of a column with missing values become floats in pandas.
        return int(value) if value.is_integer() and role != "value" else str(value)
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        utc = value if value.tzinfo else value.replace(tzinfo=UTC)
        return utc.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadLine(f"the {role} is not UTF-8", f"{roles.describe(role)} is not UTF-8: {value[:40]!r}") from None
    return str(value)


def _number(text: str, roles: RoleNames) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BadLine("the value is no number", f"{roles.describe('value')} is not a number: {quoted(text)}") from None
    if not math.isfinite(value):
        raise BadLine("the value is not finite", f"{roles.describe('value')} is not finite: {quoted(text)}")
    return value

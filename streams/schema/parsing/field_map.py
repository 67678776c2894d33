"""Fields that the operator names in `[events.map]`: where in a record each one lies."""

import re
from collections.abc import Mapping
from typing import Any, Final

from streams.errors import Rejected
from streams.settings.sections import EVENT_ROLES

_INDEX: Final = re.compile(r"\[(\d+)\]")

_ROLES: Final = {"user_id": "user", "item_id": "item", "event_type": "type", "timestamp": "time"}

Path = tuple[str | int, ...]


class MissingField(Rejected):
    """An event lacks a field that it needs."""

    def __init__(self, name: str, fault: str) -> None:
        """`name` is the canonical one."""
        self.role, self.fault = _ROLES[name], fault
        hint = f'if it has another name, give its path in interest.toml: [events.map] {self.role} = "path.to.it"'
        super().__init__("missing_field", f"{fault}; {hint}")


class FieldMap:
    """Canonical field → path in the record, as `[events.map]` gives it: `user = "properties.user.id"`.

    A path is names and list indexes, `a.b[0].c`; a name may hold dots where the record has a field of the whole path.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self.paths = dict(paths)  # by role
        self._paths = [(EVENT_ROLES[role], path, parse_path(path)) for role, path in paths.items()]

    def apply(self, source: object, events: list[dict[str, Any]]) -> None:
        """Set the mapped fields of the events that an adapter took from `source`.

        The map goes before the adapter where the record holds one event; of several, it completes those that lack
        the field, because each has an item of its own.
        """
        for name, text, path in self._paths:
            value = source[text] if isinstance(source, dict) and text in source else look_up(source, path)
            if value is None:
                continue
            for event in events:
                if len(events) == 1 or event.get(name) is None:
                    event[name] = value

    def explain(self, rejected: Rejected) -> Rejected:
        """The same fault, with the path that has led to nothing where it is a missing field that the map names."""
        if isinstance(rejected, MissingField) and (path := self.paths.get(rejected.role)) is not None:
            fault = f"{rejected.fault}; nothing is found by [events.map] {rejected.role} = {path[:80]!r}"
            return Rejected("missing_field", fault)
        return rejected


def parse_path(path: str) -> Path:
    """`a.b[0].c` → ("a", "b", 0, "c")."""
    names = _INDEX.sub(r".[\1]", path).split(".")
    return tuple(int(name[1:-1]) if name[:1] == "[" and name[1:-1].isdigit() else name for name in names if name)


def look_up(value: object, path: Path) -> object:
    """What lies at the path; None where there is no such field."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and str(part).isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value

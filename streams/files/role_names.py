"""Names of columns, or paths, in messages about an event log."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.files.formats.log_error import quoted


@dataclass(frozen=True, slots=True)
class RoleNames:
    """The column of each role, as messages name it."""

    names: Mapping[str, str]

    def describe(self, role: str) -> str:
        """`the time (column 'ts')`."""
        name = self.names.get(role)
        return f"the {role}" if name is None or name == role else f"the {role} (column {quoted(name)})"

"""Values of settings as TOML writes them."""

import json


class InlineTable(str):
    """A setting that is a table, as TOML writes it in one line."""


def shown_value(value: object) -> object:
    """The value as it is printed: a table in one line, anything else unchanged."""
    if not isinstance(value, dict):
        return value
    entries = ", ".join(f"{toml_value(name)} = {toml_value(entry)}" for name, entry in value.items())
    return InlineTable(f"{{ {entries} }}" if entries else "{}")


def toml_value(value: object) -> str:
    """The value's TOML."""
    if isinstance(value, InlineTable):
        return value
    if isinstance(value, dict):
        return str(shown_value(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON leaves DEL, TOML refuses it

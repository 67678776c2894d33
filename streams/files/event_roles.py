"""Which column, or path, of an event log is which role: user, item, time, value, text, type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streams.files.formats.column_key import column_key
from streams.files.formats.log_error import LogError
from streams.schema.decoder import SchemaRules
from streams.schema.parsing.event_types import BUILT_IN_NAMES, EventTypeNames
from streams.settings.sections import EVENT_ROLES

COLUMN_ALIASES: Final = {  # role → column names that mean it, as they are usually written
    "user": ("user_id", "user", "uid", "customer_id", "reviewerid", "visitorid"),
    "item": (
        *("item_id", "item", "iid", "movie_id", "product_id", "asin", "track_id", "article_id"),
        *("business_id", "video_id", "song_id", "book_id"),
    ),
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
    "value": ("rating", "value", "event_value", "score", "overall", "stars"),
    "text": ("text", "review", "review_text", "comment"),
    "type": ("event_type", "type", "event", "action", "behavior"),
}
REQUIRED: Final = ("user", "item", "time")
RATINGS_COLUMNS: Final = ("user_id", "item_id", "rating", "timestamp")  # MovieLens files without a header
KNOWN_NAMES: Final = frozenset(column_key(alias) for aliases in COLUMN_ALIASES.values() for alias in aliases)
"""As keys"""


@dataclass(frozen=True, slots=True)
class EventRoles:
    """Where roles are found: where `--columns` says, else where `[events.map]` does, else by their usual names."""

    chosen: Mapping[str, str]
    """Role → column, of `--columns`: it must be there"""
    mapped: Mapping[str, str]
    """Role → column or path, of `[events.map]`, for all other roles: used where it is there"""
    types: EventTypeNames

    @classmethod
    def of(cls, columns: Mapping[str, str] | None = None, rules: SchemaRules | None = None) -> "EventRoles":
        """The roles that the command line and the settings give."""
        chosen = columns or {}
        paths = rules.field_map.paths if rules is not None and rules.field_map is not None else {}
        mapped = {role: path for role, path in paths.items() if role not in chosen}
        return cls(chosen, mapped, BUILT_IN_NAMES if rules is None else rules.type_names)

    @property
    def other_names(self) -> dict[str, str]:
        """Name in the event of those mapped roles that no file has by itself, such as session."""
        return {role: EVENT_ROLES[role] for role in self.mapped if role not in COLUMN_ALIASES}


def parse_columns(text: str | None) -> dict[str, str]:
    """Column by role, from the option's text `user=user_id,item=movie_id,…`."""
    columns: dict[str, str] = {}
    for part in filter(None, (text or "").split(",")):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if role not in COLUMN_ALIASES or not equals or not column:
            raise LogError(f"--columns {part!r}: expected ROLE=COLUMN with a role of {', '.join(COLUMN_ALIASES)}")
        columns[role] = column
    return columns

"""Rules that clean a log before it is replayed or learnt."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from streams.files.formats.log_error import LogError
from streams.files.logged_event import LoggedEvent
from streams.files.outliers import count_outliers

RULES = "dedupe, drop=outliers, cap=N, fill=VALUE"


@dataclass(frozen=True, slots=True)
class CleaningRules:
    """What is changed in events in order of time."""

    dedupe: bool = False
    """An event with user, item, type and time of an earlier one is dropped"""
    drop_outliers: bool = False
    """Events of users and items with more events than the robust bound (`outliers`) are dropped"""
    cap: int | None = None
    """Events of a user beyond the first so many are dropped"""
    fill: float | None = None
    """Value of an event without one"""

    @classmethod
    def parse(cls, text: str | None) -> "CleaningRules":
        """Rules as they are typed: `dedupe,drop=outliers,cap=500,fill=3`. Raises LogError."""
        rules = cls()
        for part in filter(None, (piece.strip() for piece in (text or "").split(","))):
            name, _, value = part.partition("=")
            if part == "dedupe":
                rules = replace(rules, dedupe=True)
            elif part == "drop=outliers":
                rules = replace(rules, drop_outliers=True)
            elif name == "cap" and value.isascii() and value.isdigit() and int(value) > 0:
                rules = replace(rules, cap=int(value))
            elif name == "fill" and (number := _finite(value)) is not None:
                rules = replace(rules, fill=number)
            else:
                raise LogError(f"--clean {part!r}: expected some of {RULES}")
        return rules

    def __bool__(self) -> bool:
        return self != NO_RULES


NO_RULES = CleaningRules()


@dataclass(slots=True)
class Cleaner:
    """Applies the rules and counts the events that each one touched."""

    rules: CleaningRules
    touched: dict[str, int] = field(default_factory=dict)
    _outlier_users: frozenset[str] = frozenset()
    _outlier_items: frozenset[str] = frozenset()

    def find_outliers(self, events: Iterable[LoggedEvent]) -> None:
        """Count the events of each user and item, where a rule needs it; memory grows with these."""
        if not self.rules.drop_outliers:
            return
        users: Counter[str] = Counter()
        items: Counter[str] = Counter()
        for event in events:
            users[event.user_id] += 1
            if event.item_id:
                items[event.item_id] += 1
        self._outlier_users = frozenset(count_outliers(users).counts)
        self._outlier_items = frozenset(count_outliers(items).counts)

    def clean(self, events: Iterable[LoggedEvent]) -> Iterator[LoggedEvent]:
        """The events in order of time, without those that a rule drops."""
        rules, touched = self.rules, self.touched
        touched.clear()
        if rules.dedupe:
            touched["dedupe"] = 0
        if rules.drop_outliers:
            touched["drop=outliers"] = 0
        if rules.cap is not None:
            touched["cap"] = 0
        if rules.fill is not None:
            touched["fill"] = 0
        time_ms: int | None = None
        at_this_time: set[tuple[str, str, str]] = set()
        per_user: Counter[str] = Counter()
        for event in events:
            if rules.dedupe:
                if event.time_ms != time_ms:
                    time_ms = event.time_ms
                    at_this_time.clear()
                key = event.user_id, event.item_id, event.event_type
                if key in at_this_time:
                    touched["dedupe"] += 1
                    continue
                at_this_time.add(key)
            if event.user_id in self._outlier_users or event.item_id in self._outlier_items:
                touched["drop=outliers"] += 1
                continue
            if rules.cap is not None:
                per_user[event.user_id] += 1
                if per_user[event.user_id] > rules.cap:
                    touched["cap"] += 1
                    continue
            if rules.fill is not None and event.value is None:
                touched["fill"] += 1
                yield replace(event, value=rules.fill)
            else:
                yield event

    def describe(self) -> str:
        """How many events each rule touched."""
        verbs = {"fill": "filled in"}
        return "--clean " + ", ".join(f"{rule}: {n:,} {verbs.get(rule, 'dropped')}" for rule, n in self.touched.items())


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

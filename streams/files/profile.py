"""Profile of an event log: duplicates, outliers, missing values, disorder of time, growth of the vocabulary."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from streams.files.event_logs import no_events
from streams.files.formats.log_error import LogError
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent
from streams.files.outliers import CountOutliers, count_outliers
from streams.files.time_order import in_time_order

GROWTH_POINTS = 100
_MOST_SHOWN = 20


class EventSource(Protocol):
    """What is profiled: a file or a topic. It may be read several times."""

    @property
    def name(self) -> str:
        """As messages have it."""

    @property
    def description(self) -> str:
        """Format and columns in one line."""

    @property
    def unit(self) -> str:
        """What it consists of: lines, records."""

    def sequences(self, left_out: LeftOut) -> Iterator[Iterator[LoggedEvent]]:
        """Events one sequence after the other, each in the order in which they were written.

        What holds no event is counted in `left_out`.
        """


@dataclass(slots=True)
class TimeDisorder:
    """How far a log is from order of time."""

    late_events: int = 0
    """Events earlier than one before them in their file, or in their partition of a topic"""
    max_late_ms: int = 0
    first_late: str = ""
    """Id of the first"""


@dataclass(slots=True)
class LogProfile:
    """What the profile count_outliers; memory grows with users and items, not with events."""

    description: str
    left_out: LeftOut
    events: int = 0
    first_ms: int = 0
    last_ms: int = 0
    duplicates: int = 0
    """Events with user, item, type and time of an earlier one"""
    without_item: int = 0
    without_value: int = 0
    without_text: int = 0
    types: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    disorder: TimeDisorder = field(default_factory=TimeDisorder)
    growth: list[tuple[int, int, int]] = field(default_factory=list)
    """(events, users, items) seen so far, in order of time"""

    def user_outliers(self) -> CountOutliers:
        """Users with more events than the robust bound."""
        return count_outliers(self.users)

    def item_outliers(self) -> CountOutliers:
        """Items likewise."""
        return count_outliers(self.items)

    def to_json(self) -> dict[str, Any]:
        """All figures; of outliers the first twenty."""

        def outliers(count_outliers: CountOutliers) -> dict[str, Any]:
            return {
                "median_events": count_outliers.median,
                "bound": count_outliers.bound,
                "count": len(count_outliers.counts),
                "events": sum(count_outliers.counts.values()),
                "most": dict(list(count_outliers.counts.items())[:_MOST_SHOWN]),
            }

        return {
            "format": self.description,
            "events": self.events,
            "users": len(self.users),
            "items": len(self.items),
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "types": dict(self.types.most_common()),
            "left_out": {
                reason: {"lines": n, "first": self.left_out.first[reason]} for reason, n in self.left_out.counts.items()
            },
            "duplicates": self.duplicates,
            "missing": {"item": self.without_item, "value": self.without_value, "text": self.without_text},
            "disorder": {
                "late_events": self.disorder.late_events,
                "max_late_ms": self.disorder.max_late_ms,
                "first_late": self.disorder.first_late,
            },
            "user_outliers": outliers(self.user_outliers()),
            "item_outliers": outliers(self.item_outliers()),
            "growth": [{"events": events, "users": users, "items": items} for events, users, items in self.growth],
        }


def profile_log(log: EventSource, on_progress: Callable[[int], None] = lambda events: None) -> LogProfile:
    """The profile of a log; bad lines are counted. Raises LogError for a log without an event."""
    disorder = TimeDisorder()

    def events_of(left_out: LeftOut) -> Iterator[LoggedEvent]:
        disorder.late_events = disorder.max_late_ms = 0
        for sequence in log.sequences(left_out):
            latest: int | None = None
            for event in sequence:
                if latest is None or event.time_ms >= latest:
                    latest = event.time_ms
                else:
                    if not disorder.late_events:
                        disorder.first_late = event.event_id
                    disorder.late_events += 1
                    disorder.max_late_ms = max(disorder.max_late_ms, latest - event.time_ms)
                yield event

    with in_time_order(events_of, on_progress) as ordered:
        if not ordered.total:
            raise LogError(no_events(log.name, ordered.left_out, log.unit))
        profile = LogProfile(log.description, ordered.left_out, disorder=disorder)
        step = max(1, ordered.total // GROWTH_POINTS)
        time_ms: int | None = None
        at_this_time: set[tuple[str, str, str]] = set()
        for count, event in enumerate(ordered.events, 1):
            if event.time_ms != time_ms:
                if time_ms is None:
                    profile.first_ms = event.time_ms
                time_ms = event.time_ms
                at_this_time.clear()
            key = event.user_id, event.item_id, event.event_type
            profile.duplicates += key in at_this_time
            at_this_time.add(key)
            profile.users[event.user_id] += 1
            profile.types[event.event_type] += 1
            if event.item_id:
                profile.items[event.item_id] += 1
            else:
                profile.without_item += 1
            profile.without_value += event.value is None
            profile.without_text += not event.text
            if count % step == 0 or count == ordered.total:
                profile.growth.append((count, len(profile.users), len(profile.items)))
        profile.events, profile.last_ms = ordered.total, time_ms or 0
    return profile


def write_picture(profile: LogProfile, file: Path) -> None:
    """Events per user and per item with their bounds, and the growth of the vocabulary. Needs the extra `picture`."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise LogError(f"{file}: a picture needs the extra `picture`: pip install 'interest-stream[picture]'") from None
    figure = Figure(figsize=(13, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    panels = (("user", profile.users, profile.user_outliers()), ("item", profile.items, profile.item_outliers()))
    for axis, (name, counts, outliers) in zip(axes, panels, strict=False):
        axis.loglog(range(1, len(counts) + 1), sorted(counts.values(), reverse=True))
        if outliers.counts:
            axis.axhline(outliers.bound, color="tab:red", linestyle="--", label=f"bound {outliers.bound:,.0f}")
            axis.legend()
        axis.set(title=f"Events per {name}", xlabel=f"{name}s, most events first", ylabel="events")
    events, users, items = zip(*profile.growth, strict=True)
    axes[2].plot(events, users, label="users")
    axes[2].plot(events, items, label="items")
    axes[2].set(title="Growth of the vocabulary", xlabel="events in order of time", ylabel="different")
    axes[2].legend()
    try:
        figure.savefig(file, dpi=120)
    except ValueError as error:
        raise LogError(f"{file}: {error}") from error

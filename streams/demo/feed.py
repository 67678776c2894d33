"""The events that the demo sends, and what it knows about them beforehand."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.demo.scoreboard import Repeats, has_repeats
from streams.files.delimited import LogError
from streams.files.event_logs import LoggedEvent, parse_columns, read_events
from streams.files.item_files import FileItem, read_items
from streams.files.synthetic import TOPICS, synthesize
from streams.kafka.pacing import parse_rate

USERS, ITEMS = 100, 240  # of the made-up stream
RATE_PER_S = 400.0
PARTS = 100  # of a stream, to see who is active all along


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asks for."""

    events: Path | None = None
    items: Path | None = None
    columns: str | None = None
    seconds: float = 40.0
    rate: str | None = None
    limit: int | None = None
    repeats: str | None = None
    user: str | None = None
    seed: int = 0
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Feed:
    """The events in order, their items, and whom to watch."""

    events: Sequence[LoggedEvent]
    items: Sequence[FileItem]
    rate_per_s: float | None  # None = as fast as Kafka takes them
    repeats: Repeats
    watched: str
    truth: Callable[[int], str] | None  # the topic that a made-up user is after at the event of that place


def prepare(options: DemoOptions) -> Feed:
    """The log's events, spread over the asked seconds where no rate is given, or a made-up stream of that length."""
    rate = None if options.rate is None else parse_rate(options.rate)
    if options.events is None:
        rate = rate or RATE_PER_S
        made = synthesize(options.limit or int(options.seconds * rate), USERS, ITEMS, options.seed)
        events, items = list(made.events()), made.items()
        names, topics = list(TOPICS), made.topic.tolist()
        # Of made-up users one whom the eye can follow.
        return Feed(
            events, items, rate, _repeats(options, events), _watched(options, events, 3.0), lambda n: names[topics[n]]
        )
    events = read_events(options.events, parse_columns(options.columns)).events[: options.limit]
    items = read_items(options.items) if options.items else []
    if options.rate is None:
        rate = len(events) / options.seconds
    return Feed(events, items, rate, _repeats(options, events), _watched(options, events, float("inf")), None)


def _repeats(options: DemoOptions, events: Sequence[LoggedEvent]) -> Repeats:
    if options.repeats not in (None, "allow", "filter"):
        raise LogError(f"--repeats {options.repeats!r}: expected allow or filter")
    allow = has_repeats(events) if options.repeats is None else options.repeats == "allow"
    return "allow" if allow else "filter"


def _watched(options: DemoOptions, events: Sequence[LoggedEvent], activity: float) -> str:
    """The user asked for, else one who is active in most parts of the stream.

    Users more than `activity` times as active as the mean are passed over, for the eye cannot follow them.
    """
    counts = Counter(event.user_id for event in events)
    if options.user is not None:
        if options.user not in counts:
            raise LogError(f"--user {options.user!r}: no such user in the stream")
        return options.user
    parts: dict[str, set[int]] = defaultdict(set)
    for place, event in enumerate(events):
        parts[event.user_id].add(place * PARTS // len(events))
    most = activity * len(events) / len(counts)
    return max(counts, key=lambda user: (counts[user] <= most, len(parts[user]), counts[user]))

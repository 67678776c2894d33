"""Demo input: a synthetic or logged event stream, its items, and the user to show."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from streams.demo.metrics import has_repeats
from streams.files.event_logs import read_events
from streams.files.event_roles import parse_columns
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.log_error import LogError
from streams.files.item_files import FileItem, read_items
from streams.files.logged_event import LoggedEvent
from streams.files.synthetic import TOPICS, synthesize
from streams.kafka.pacing import parse_rate
from streams.schema.decoder import BUILT_IN_RULES, SchemaRules

USERS, ITEMS = 100, 240  # of the synthetic stream
DECISION_USERS = 600  # likewise, of an experiment: each is in one arm
RATE_PER_S = 400.0
PARTS = 100  # of a stream, to find a user who is active throughout
MAX_SYNTHETIC_ACTIVITY = 3.0  # of the user to show, times the mean: changes of busier users are too fast to read


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of the command line."""

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
    decisions: bool = False
    format: FormatOptions = field(default_factory=FormatOptions)


@dataclass(frozen=True, slots=True)
class DemoInput:
    """The events in order, their items, and the user to show."""

    events: Sequence[LoggedEvent]
    items: Sequence[FileItem]
    rate_per_s: float | None  # None = as fast as Kafka takes them
    allow_repeats: bool
    shown_user: str
    true_topic: Callable[[int], str] | None  # a synthetic user's topic at the event of this index
    log_format: str | None = None


def load_input(options: DemoOptions, rules: SchemaRules = BUILT_IN_RULES) -> DemoInput:
    """The log's events, sent within the given seconds unless a rate is given, or a synthetic stream of that length."""
    rate = None if options.rate is None else parse_rate(options.rate)
    if options.decisions and options.events is not None:
        raise LogError("--decisions needs users whose next event is known: leave --events out")
    if options.events is None:
        rate = rate or RATE_PER_S
        users = DECISION_USERS if options.decisions else USERS
        synthetic = synthesize(options.limit or int(options.seconds * rate), users, ITEMS, options.seed)
        events, names, topics = list(synthetic.events()), list(TOPICS), synthetic.topic.tolist()
        if options.decisions:
            order = _evenly(events)
            events, topics = [events[index] for index in order], [topics[index] for index in order]
        return DemoInput(
            events,
            synthetic.items(),
            rate,
            _allow_repeats(options, events),
            _choose_user(options, events, MAX_SYNTHETIC_ACTIVITY),
            lambda index: names[topics[index]],
        )
    log = read_events(options.events, parse_columns(options.columns), options=options.format, rules=rules)
    events = log.events[: options.limit]
    items = read_items(options.items) if options.items else []
    if options.rate is None:
        rate = len(events) / options.seconds
    user = _choose_user(options, events, float("inf"))
    return DemoInput(events, items, rate, _allow_repeats(options, events), user, None, log.description)


def _evenly(events: Sequence[LoggedEvent]) -> list[int]:
    """Indices of the events in an order in which each user's are as far from each other as can be.

    In sessions the next event comes before anybody could have decided what to show.
    """
    counts, seen = Counter(event.user_id for event in events), Counter[str]()
    places: list[tuple[float, int]] = []
    for index, event in enumerate(events):
        phase = crc32(event.user_id.encode()) / 2**32
        places.append(((seen[event.user_id] + phase) / counts[event.user_id], index))
        seen[event.user_id] += 1
    return [index for _, index in sorted(places)]


def _allow_repeats(options: DemoOptions, events: Sequence[LoggedEvent]) -> bool:
    if options.repeats not in (None, "allow", "filter"):
        raise LogError(f"--repeats {options.repeats!r}: expected allow or filter")
    return has_repeats(events) if options.repeats is None else options.repeats == "allow"


def _choose_user(options: DemoOptions, events: Sequence[LoggedEvent], max_activity: float) -> str:
    """The user given by `--user`, else one with events in most parts of the stream.

    Users with more than `max_activity` times the mean number of events come last.
    """
    counts = Counter(event.user_id for event in events)
    if options.user is not None:
        if options.user not in counts:
            raise LogError(f"--user {options.user!r}: no such user in the stream")
        return options.user
    parts: dict[str, set[int]] = defaultdict(set)
    for index, event in enumerate(events):
        parts[event.user_id].add(index * PARTS // len(events))
    most = max_activity * len(events) / len(counts)
    return max(counts, key=lambda user: (counts[user] <= most, len(parts[user]), counts[user]))

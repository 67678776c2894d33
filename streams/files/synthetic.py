"""A seeded population whose interests drift: users stay with a topic for a while, and one item leads to the next.

Every item belongs to a topic and knows the few items of its topic that follow it well. A user holds a topic for some
dozens of events, in sessions; each next item is mostly one of those that follow the last, else a popular one of the
topic, else any popular one. So the last items say much about the next, and popularity says little.
"""

import csv
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from streams.files.event_logs import LoggedEvent
from streams.files.item_files import FileItem

START_MS = 1_735_689_600_000  # 2025-01-01T00:00Z
TOPICS = {
    "Sci-Fi": ("Orbit", "Android", "Nebula", "Starship", "Quantum", "Colony"),
    "Crime": ("Alibi", "Heist", "Witness", "Verdict", "Syndicate", "Detective"),
    "Romance": ("Letters", "Wedding", "Promise", "Paris", "Kiss", "Summer"),
    "Horror": ("Crypt", "Whisper", "Possession", "Shadow", "Coven", "Asylum"),
    "Comedy": ("Roommate", "Mix-Up", "Vacation", "Prank", "Neighbour", "Reunion"),
    "Documentary": ("Ocean", "Archive", "Glacier", "Factory", "Portrait", "Expedition"),
    "Music": ("Ballad", "Concerto", "Rhythm", "Encore", "Vinyl", "Chorus"),
    "Western": ("Canyon", "Sheriff", "Saddle", "Outlaw", "Frontier", "Stampede"),
    "Fantasy": ("Dragon", "Realm", "Sorcerer", "Rune", "Throne", "Oracle"),
    "Sport": ("Champion", "Marathon", "Knockout", "Relay", "Underdog", "Final"),
    "History": ("Empire", "Armada", "Treaty", "Siege", "Pharaoh", "Dynasty"),
    "Cooking": ("Harvest", "Bistro", "Spice", "Bakery", "Kitchen", "Feast"),
}
ADJECTIVES = (
    "Silent", "Crimson", "Last", "Hidden", "Golden", "Broken", "Distant", "Electric", "Frozen", "Midnight", "Restless",
    "Scarlet", "Secret", "Velvet", "Wild", "Burning", "Hollow", "Lucky", "Paper", "Seventh", "Second", "Glass",
    "Lonely", "Endless", "Quiet", "Savage", "Stolen", "Twisted", "Vanishing", "Wandering",
)  # fmt: skip
EVENT_TYPES = ("view", "click", "add_to_cart", "purchase", "rating", "like")
EVENT_TYPE_P = (0.45, 0.30, 0.08, 0.05, 0.07, 0.05)

FOLLOWERS = 4  # items that follow an item well
FOLLOW_P, TOPIC_P = 0.65, 0.30  # else any popular item
TOPIC_EVENTS = 40  # mean stay with a topic
SESSION_EVENTS = 8  # mean length of a session
SPAN_S = 30 * 86_400  # the time that all events fill


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A population and its events, the same for the same four numbers; arrays are in order of time."""

    titles: list[str]
    item_topics: NDArray[np.int64]  # [M, 2] index into TOPICS; -1 = only one topic
    user: NDArray[np.int64]  # [n]
    item: NDArray[np.int64]  # [n]
    type: NDArray[np.int64]  # [n] index into EVENT_TYPES
    value: NDArray[np.float64]  # [n] stars of ratings, NaN elsewhere
    time_ms: NDArray[np.int64]  # [n]
    topic: NDArray[np.int64]  # [n] what the user was interested in: the truth a model never sees

    def items(self) -> list[FileItem]:
        """The items with titles and categories."""
        names = list(TOPICS)
        return [
            FileItem(item_name(index), title, tuple(names[topic] for topic in topics if topic >= 0))
            for index, (title, topics) in enumerate(zip(self.titles, self.item_topics.tolist(), strict=True))
        ]

    def events(self) -> Iterator[LoggedEvent]:
        """The events in order of time."""
        columns = (self.user, self.item, self.time_ms, self.type, self.value)
        for n, (user, item, time_ms, type_, value) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            stars = value if value == value else None
            yield LoggedEvent(
                user_name(user), item_name(item), time_ms, EVENT_TYPES[type_], f"synthetic:{n}", value=stars
            )


def write(synthesis: Synthesis, out: Path | None, items_out: Path | None) -> None:
    """Events as JSON lines in `out`, or on stdout; items in `items_out`, if any, as CSV or JSON lines by its ending."""
    if items_out is not None:
        _write_items(synthesis, items_out)
    with nullcontext(sys.stdout.buffer) if out is None else out.open("wb") as file:
        for event in synthesis.events():
            file.write(event.encode() + b"\n")
        file.flush()


def _write_items(synthesis: Synthesis, file: Path) -> None:
    if file.suffix == ".csv":
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["item_id", "title", "categories"])
            writer.writerows([item.item_id, item.title, "|".join(item.categories)] for item in synthesis.items())
        return
    described = (
        {"item_id": item.item_id, "title": item.title, "categories": item.categories} for item in synthesis.items()
    )
    file.write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in described))


def user_name(index: int) -> str:
    """The user's id."""
    return f"u{index:04d}"


def item_name(index: int) -> str:
    """The item's id."""
    return f"i{index:05d}"


def synthesize(events: int, users: int, items: int, seed: int) -> Synthesis:
    """The population of that seed; needs at least one event, one user and one item per topic."""
    if min(events, users) < 1 or items < len(TOPICS):
        raise ValueError(f"needs at least 1 event, 1 user and {len(TOPICS)} items, one per topic")
    rng = np.random.default_rng(seed)
    catalog = _Catalog(rng, items)
    activity = rng.lognormal(0.0, 0.7, users)
    counts = rng.multinomial(events, activity / activity.sum())
    by_count = np.argsort(-counts, kind="stable")  # the users still active at a step are a prefix
    falling = counts[by_count]

    user = np.empty(events, np.int64)
    item, topic = np.empty_like(user), np.empty_like(user)
    last_item = np.full(users, -1)
    favourites = np.argsort(rng.random((users, len(TOPICS))), axis=1)[:, :3]  # topics a user comes back to  # [U, 3]
    now = favourites[:, 0].copy()
    start = 0
    for step in range(int(falling[0]) if events else 0):
        active = by_count[: np.searchsorted(-falling, -step, side="left")]
        end = start + len(active)
        drifts = rng.random(len(active)) < 1 / TOPIC_EVENTS
        now[active] = np.where(drifts, _next_topic(rng, favourites[active], now[active]), now[active])
        last_item[active] = catalog.next_item(rng, last_item[active], now[active], drifts)
        user[start:end], item[start:end], topic[start:end] = active, last_item[active], now[active]
        start = end
    time_ms = _times(rng, user)
    order = np.argsort(time_ms, kind="stable")
    type_ = rng.choice(len(EVENT_TYPES), size=events, p=EVENT_TYPE_P)
    stars = np.clip(np.round(rng.normal(3.8, 1.0, events)), 1, 5)
    value = np.where(type_ == EVENT_TYPES.index("rating"), stars, np.nan)
    return Synthesis(
        catalog.titles(rng), catalog.topics, user[order], item[order], type_, value, time_ms[order], topic[order]
    )


def _next_topic(rng: np.random.Generator, favourites: NDArray[np.int64], now: NDArray[np.int64]) -> NDArray[np.int64]:
    """Mostly another of the user's favourites, at times a topic that is new to them."""
    known = favourites[np.arange(len(now)), rng.integers(0, favourites.shape[1], len(now))]
    return np.where(rng.random(len(now)) < 0.25, rng.integers(0, len(TOPICS), len(now)), known)


def _times(rng: np.random.Generator, user: NDArray[np.int64]) -> NDArray[np.int64]:
    """Event times [n] in ms: per user sessions of some minutes, spread over the span; `user` in order of steps."""
    order = np.argsort(user, kind="stable")
    opens = rng.random(len(user)) < 1 / SESSION_EVENTS
    gaps = np.where(opens, rng.exponential(1.0, len(user)), 0.0)  # between sessions, in shares of the user's span
    grouped = np.cumsum(gaps[order])
    first = np.flatnonzero(np.r_[True, np.diff(user[order]) != 0])
    sizes = np.diff(np.r_[first, len(user)])
    grouped -= np.repeat(grouped[first] - gaps[order][first], sizes)
    whole = np.repeat(grouped[first + sizes - 1], sizes) + 1.0
    pauses = np.cumsum(rng.exponential(25.0, len(user)))
    seconds = grouped / whole * SPAN_S + pauses - np.repeat(pauses[first], sizes)
    time_ms = np.empty(len(user), np.int64)
    time_ms[order] = START_MS + (seconds * 1000).astype(np.int64)
    return time_ms


class _Catalog:
    """Items with topics, popularity within the topic, and the few items that follow each."""

    def __init__(self, rng: np.random.Generator, items: int):
        main = rng.permutation(np.arange(items) % len(TOPICS))  # [M]
        second = np.where(rng.random(items) < 0.25, rng.integers(0, len(TOPICS), items), -1)
        second[second == main] = -1
        self.topics: NDArray[np.int64] = np.stack([main, second], axis=1)  # [M, 2]
        popularity = 1.0 / rng.permutation(np.arange(1, items + 1)) ** 0.9
        self._all = np.cumsum(popularity) / popularity.sum()
        self._by_topic = np.argsort(main, kind="stable")
        shares = popularity[self._by_topic]
        self._topic_start = np.searchsorted(main[self._by_topic], np.arange(len(TOPICS) + 1))
        self._cumulated = np.r_[0.0, np.cumsum(shares)]
        starts, ends = self._topic_start[main], self._topic_start[main + 1]
        places = starts[:, None] + (rng.random((items, FOLLOWERS)) * (ends - starts)[:, None]).astype(np.int64)
        self._followers = self._by_topic[places]  # [M, FOLLOWERS]

    def next_item(
        self, rng: np.random.Generator, last: NDArray[np.int64], topic: NDArray[np.int64], fresh: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """One item per user [U]; `fresh` users begin a topic, `last` is -1 for new ones."""
        n = len(last)
        low, high = self._cumulated[self._topic_start[topic]], self._cumulated[self._topic_start[topic + 1]]
        place = np.searchsorted(self._cumulated, low + rng.random(n) * (high - low), side="right") - 1
        of_topic = self._by_topic[np.minimum(place, len(self._by_topic) - 1)]
        of_all = np.minimum(np.searchsorted(self._all, rng.random(n)), len(self._all) - 1)
        following = self._followers[last, rng.integers(0, FOLLOWERS, n)]
        choice = rng.random(n)
        picked = np.where(choice < FOLLOW_P, following, np.where(choice < FOLLOW_P + TOPIC_P, of_topic, of_all))
        return np.where(fresh | (last < 0), of_topic, picked)

    def titles(self, rng: np.random.Generator) -> list[str]:
        """One title per item, of words of its topic; a repeated one is numbered."""
        words = list(TOPICS.values())
        taken: dict[str, int] = {}
        titles = []
        for topic in self.topics[:, 0].tolist():
            noun, adjective = words[topic][rng.integers(6)], ADJECTIVES[rng.integers(len(ADJECTIVES))]
            title = f"The {adjective} {noun}"
            taken[title] = number = taken.get(title, 0) + 1
            titles.append(title if number == 1 else f"{title} {number}")
        return titles

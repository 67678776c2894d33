"""Synthetic events of users whose interests drift, the same for the same seed.

Every item belongs to a topic and has FOLLOWERS successors in that topic. A user stays with a topic for about
TOPIC_EVENTS events, in sessions; the next item is a successor of the last one (probability FOLLOW_P), else a popular
item of the topic (TOPIC_P), else any popular item. So recent items predict the next item well, and popularity badly.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from streams.files.item_files import FileItem
from streams.files.logged_event import LoggedEvent

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

FOLLOWERS = 4  # successors of an item
FOLLOW_P, TOPIC_P = 0.65, 0.30  # else any popular item
TOPIC_EVENTS = 40  # mean events of a user in one topic
SESSION_EVENTS = 8  # mean events of a session
SPAN_S = 30 * 86_400  # from the first event to the last, about


@dataclass(frozen=True, slots=True)
class SyntheticStream:
    """Items and events of a synthetic population; the arrays of events are sorted by time."""

    titles: list[str]
    item_topics: NDArray[np.int64]  # [M, 2] index into TOPICS; -1 = only one topic
    user: NDArray[np.int64]  # [n]
    item: NDArray[np.int64]  # [n]
    type: NDArray[np.int64]  # [n] index into EVENT_TYPES
    value: NDArray[np.float64]  # [n] stars of ratings, NaN elsewhere
    time_ms: NDArray[np.int64]  # [n]
    topic: NDArray[np.int64]  # [n] the user's topic at the event, which no model sees

    def items(self) -> list[FileItem]:
        """The items with titles and categories."""
        names = list(TOPICS)
        return [
            FileItem(item_name(index), title, tuple(names[topic] for topic in topics if topic >= 0))
            for index, (title, topics) in enumerate(zip(self.titles, self.item_topics.tolist(), strict=True))
        ]

    def events(self) -> Iterator[LoggedEvent]:
        """The events sorted by time."""
        columns = (self.user, self.item, self.time_ms, self.type, self.value)
        for index, (user, item, time_ms, type_, value) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            stars = value if value == value else None
            yield LoggedEvent(
                user_name(user), item_name(item), time_ms, EVENT_TYPES[type_], f"synthetic:{index}", value=stars
            )


class _Log(Protocol):
    """What can be written: `SyntheticStream`, and what is made of feedback."""

    def events(self) -> Iterable[LoggedEvent]:
        """The events sorted by time."""
        ...

    def items(self) -> Sequence[FileItem]:
        """The items with titles and categories."""
        ...


def write_files(stream: _Log, out: Path | None, items_out: Path | None) -> None:
    """Write events as JSON lines to `out` (None: stdout), items to `items_out` as CSV or JSON lines by its suffix."""
    if items_out is not None:
        _write_items(stream, items_out)
    try:
        with nullcontext(sys.stdout.buffer) if out is None else out.open("wb") as file:
            for event in stream.events():
                file.write(event.encode() + b"\n")
            file.flush()
    except OSError as error:  # of a write, which names no file
        if error.filename is None and out is not None:
            error.filename = str(out)
        raise


def _write_items(stream: _Log, file: Path) -> None:
    if file.suffix == ".csv":
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["item_id", "title", "categories"])
            writer.writerows([item.item_id, item.title, "|".join(item.categories)] for item in stream.items())
        return
    objects = ({"item_id": item.item_id, "title": item.title, "categories": item.categories} for item in stream.items())
    file.write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in objects))


def user_name(index: int) -> str:
    """The user's id."""
    return f"u{index:04d}"


def item_name(index: int) -> str:
    """The item's id."""
    return f"i{index:05d}"


def synthesize(events: int, users: int, items: int, seed: int) -> SyntheticStream:
    """Generate the stream of this seed. Raises ValueError for less than one event, one user, or one item per topic."""
    if min(events, users) < 1 or items < len(TOPICS):
        raise ValueError(f"needs at least 1 event, 1 user and {len(TOPICS)} items, one per topic")
    rng = np.random.default_rng(seed)
    catalog = _Catalog(rng, items)
    activity = rng.lognormal(0.0, 0.7, users)
    counts = rng.multinomial(events, activity / activity.sum())
    by_count = np.argsort(-counts, kind="stable")  # users with an event of number n are a prefix  # [U]
    sorted_counts = counts[by_count]

    user = np.empty(events, np.int64)
    item, topic = np.empty_like(user), np.empty_like(user)
    last_item = np.full(users, -1)
    favourites = np.argsort(rng.random((users, len(TOPICS))), axis=1)[:, :3]  # topics a user returns to  # [U, 3]
    current_topic = favourites[:, 0].copy()
    start = 0
    for event_number in range(int(sorted_counts[0])):  # of each user
        active = by_count[: np.searchsorted(-sorted_counts, -event_number, side="left")]
        end = start + len(active)
        drifts = rng.random(len(active)) < 1 / TOPIC_EVENTS
        topic_now = current_topic[active]
        topic_now = np.where(drifts, _next_topic(rng, favourites[active]), topic_now)
        current_topic[active] = topic_now
        last_item[active] = catalog.next_item(rng, last_item[active], topic_now, drifts)
        user[start:end], item[start:end], topic[start:end] = active, last_item[active], topic_now
        start = end
    time_ms = _times(rng, user)
    order = np.argsort(time_ms, kind="stable")
    type_ = rng.choice(len(EVENT_TYPES), size=events, p=EVENT_TYPE_P)
    stars = np.clip(np.round(rng.normal(3.8, 1.0, events)), 1, 5)
    value = np.where(type_ == EVENT_TYPES.index("rating"), stars, np.nan)
    return SyntheticStream(
        catalog.titles(rng), catalog.topics, user[order], item[order], type_, value, time_ms[order], topic[order]
    )


def _next_topic(rng: np.random.Generator, favourites: NDArray[np.int64]) -> NDArray[np.int64]:
    """One topic per user [U]: with probability 0.75 one of the favourites [U, F], else any topic."""
    users, count = favourites.shape
    favourite = favourites[np.arange(users), rng.integers(0, count, users)]
    return np.where(rng.random(users) < 0.25, rng.integers(0, len(TOPICS), users), favourite)


def _times(rng: np.random.Generator, user: NDArray[np.int64]) -> NDArray[np.int64]:
    """Event times [n] in ms: sessions of some minutes, spread over SPAN_S; `user` has each user's events in order."""
    order = np.argsort(user, kind="stable")
    starts_session = rng.random(len(user)) < 1 / SESSION_EVENTS
    gaps = np.where(starts_session, rng.exponential(1.0, len(user)), 0.0)  # before sessions, relative to the user's sum
    grouped = np.cumsum(gaps[order])
    first = np.flatnonzero(np.r_[True, np.diff(user[order]) != 0])
    sizes = np.diff(np.r_[first, len(user)])
    grouped -= np.repeat(grouped[first] - gaps[order][first], sizes)
    total = np.repeat(grouped[first + sizes - 1], sizes) + 1.0
    pauses = np.cumsum(rng.exponential(25.0, len(user)))
    seconds = grouped / total * SPAN_S + pauses - np.repeat(pauses[first], sizes)
    time_ms = np.empty(len(user), np.int64)
    time_ms[order] = START_MS + (seconds * 1000).astype(np.int64)
    return time_ms


class _Catalog:
    """Items with topics, popularity and successors."""

    def __init__(self, rng: np.random.Generator, items: int):
        first_topic = rng.permutation(np.arange(items) % len(TOPICS))  # [M]
        second_topic = np.where(rng.random(items) < 0.25, rng.integers(0, len(TOPICS), items), -1)
        second_topic[second_topic == first_topic] = -1
        self.topics: NDArray[np.int64] = np.stack([first_topic, second_topic], axis=1)  # [M, 2]
        popularity = 1.0 / rng.permutation(np.arange(1, items + 1)) ** 0.9
        self._cumulative_p = np.cumsum(popularity) / popularity.sum()
        self._by_topic = np.argsort(first_topic, kind="stable")
        shares = popularity[self._by_topic]
        self._topic_start = np.searchsorted(first_topic[self._by_topic], np.arange(len(TOPICS) + 1))
        self._cumulative_by_topic = np.r_[0.0, np.cumsum(shares)]
        starts, ends = self._topic_start[first_topic], self._topic_start[first_topic + 1]
        follower_index = starts[:, None] + (rng.random((items, FOLLOWERS)) * (ends - starts)[:, None]).astype(np.int64)
        self._followers = self._by_topic[follower_index]  # [M, FOLLOWERS]

    def next_item(
        self, rng: np.random.Generator, last: NDArray[np.int64], topic: NDArray[np.int64], new_topic: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Next item per user [U]; `last` is the user's last item (-1: none), `new_topic` marks a change of topic."""
        n = len(last)
        low, high = (
            self._cumulative_by_topic[self._topic_start[topic]],
            self._cumulative_by_topic[self._topic_start[topic + 1]],
        )
        index = np.searchsorted(self._cumulative_by_topic, low + rng.random(n) * (high - low), side="right") - 1
        of_topic = self._by_topic[np.minimum(index, len(self._by_topic) - 1)]
        of_all = np.minimum(np.searchsorted(self._cumulative_p, rng.random(n)), len(self._cumulative_p) - 1)
        following = self._followers[last, rng.integers(0, FOLLOWERS, n)]
        choice = rng.random(n)
        item = np.where(choice < FOLLOW_P, following, np.where(choice < FOLLOW_P + TOPIC_P, of_topic, of_all))
        return np.where(new_topic | (last < 0), of_topic, item)

    def titles(self, rng: np.random.Generator) -> list[str]:
        """One title per item, made of words of its topic; repeated titles are numbered."""
        words = list(TOPICS.values())
        title_counts: dict[str, int] = {}
        titles = []
        for topic in self.topics[:, 0].tolist():
            noun, adjective = words[topic][rng.integers(6)], ADJECTIVES[rng.integers(len(ADJECTIVES))]
            title = f"The {adjective} {noun}"
            title_counts[title] = number = title_counts.get(title, 0) + 1
            titles.append(title if number == 1 else f"{title} {number}")
        return titles

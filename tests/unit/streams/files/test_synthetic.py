from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.demo.metrics import TOP_K
from streams.files.event_logs import read_events
from streams.files.item_files import read_items
from streams.files.synthetic import SPAN_S, START_MS, TOPICS, Synthesis, synthesize, write


@pytest.fixture(scope="module")
def made() -> Synthesis:
    return synthesize(events=12_000, users=100, items=240, seed=0)


def test_the_seed_decides_everything() -> None:
    first, again, other = (synthesize(500, 20, 60, seed) for seed in (3, 3, 4))
    assert list(first.events()) == list(again.events())
    assert first.items() == again.items()
    assert list(first.events()) != list(other.events())


@given(st.integers(1, 300), st.integers(1, 40), st.integers(len(TOPICS), 80), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_any_size_gives_so_many_events_in_order_of_time(events: int, users: int, items: int, seed: int) -> None:
    made = synthesize(events, users, items, seed)
    assert len(list(made.events())) == events
    assert len(made.items()) == items
    assert (np.diff(made.time_ms) >= 0).all()
    assert made.user.min() >= 0
    assert made.user.max() < users
    assert made.item.min() >= 0
    assert made.item.max() < items


def test_all_happens_in_a_past_month(made: Synthesis) -> None:
    assert made.time_ms[0] >= START_MS
    assert made.time_ms[-1] < START_MS + 2 * SPAN_S * 1000


def test_items_have_titles_of_their_own_and_known_categories(made: Synthesis) -> None:
    items = made.items()
    assert len({item.title for item in items}) == len({item.item_id for item in items}) == 240
    assert all(item.categories and set(item.categories) <= TOPICS.keys() for item in items)
    assert all(len(set(item.categories)) == len(item.categories) for item in items)


def test_users_stay_with_a_topic_and_drift_to_others(made: Synthesis) -> None:
    topics: dict[int, list[int]] = defaultdict(list)
    for user, topic in zip(made.user.tolist(), made.topic.tolist(), strict=True):
        topics[user].append(topic)
    changes = sum(a != b for line in topics.values() for a, b in pairwise(line))
    assert 20 < len(made.user) / changes < 100
    assert all(len(set(line)) > 1 for line in topics.values() if len(line) > 300)


def test_most_events_are_about_the_topic(made: Synthesis) -> None:
    assert (made.item_topics[made.item, 0] == made.topic).mean() > 0.85


def test_only_ratings_have_stars(made: Synthesis) -> None:
    for event in made.events():
        assert (event.value is not None) == (event.event_type == "rating")
        assert event.value is None or event.value in (1.0, 2.0, 3.0, 4.0, 5.0)


def test_the_last_item_says_more_about_the_next_than_popularity_does(made: Synthesis) -> None:
    popular: Counter[int] = Counter()
    following: dict[int, Counter[int]] = defaultdict(Counter)
    last: dict[int, int] = {}
    by_popularity = by_last = 0
    for place, (user, item) in enumerate(zip(made.user.tolist(), made.item.tolist(), strict=True)):
        before = last.get(user, -1)
        if place >= 8_000:
            by_popularity += item in [known for known, _ in popular.most_common(TOP_K)]
            by_last += item in [known for known, _ in following[before].most_common(TOP_K)]
        popular[item] += 1
        following[before][item] += 1
        last[user] = item
    assert by_last > 3 * by_popularity > 0


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_what_is_written_is_read_back(made: Synthesis, tmp_path: Path, ending: str) -> None:
    write(made, tmp_path / "events.jsonl", tmp_path / f"items.{ending}")
    assert read_items(tmp_path / f"items.{ending}") == made.items()
    assert [event.encode() for event in read_events(tmp_path / "events.jsonl").events] == [
        event.encode() for event in made.events()
    ]


@pytest.mark.parametrize(("events", "users", "items"), [(0, 1, 12), (1, 0, 12), (1, 1, 11)])
def test_an_empty_world_is_refused(events: int, users: int, items: int) -> None:
    with pytest.raises(ValueError, match="needs at least 1 event, 1 user and 12 items"):
        synthesize(events, users, items, 0)

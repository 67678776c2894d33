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
from streams.files.synthetic import SPAN_S, START_MS, TOPICS, SyntheticStream, synthesize, write_files


@pytest.fixture(scope="module")
def stream() -> SyntheticStream:
    return synthesize(events=12_000, users=100, items=240, seed=0)


def test_the_same_seed_gives_the_same_stream() -> None:
    first, again, other = (synthesize(500, 20, 60, seed) for seed in (3, 3, 4))
    assert list(first.events()) == list(again.events())
    assert first.items() == again.items()
    assert list(first.events()) != list(other.events())


@given(st.integers(1, 300), st.integers(1, 40), st.integers(len(TOPICS), 80), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_any_size_gives_that_many_events_sorted_by_time(events: int, users: int, items: int, seed: int) -> None:
    stream = synthesize(events, users, items, seed)
    assert len(list(stream.events())) == events
    assert len(stream.items()) == items
    assert (np.diff(stream.time_ms) >= 0).all()
    assert stream.user.min() >= 0
    assert stream.user.max() < users
    assert stream.item.min() >= 0
    assert stream.item.max() < items


def test_all_events_are_in_one_month(stream: SyntheticStream) -> None:
    assert stream.time_ms[0] >= START_MS
    assert stream.time_ms[-1] < START_MS + 2 * SPAN_S * 1000


def test_items_have_titles_of_their_own_and_known_categories(stream: SyntheticStream) -> None:
    items = stream.items()
    assert len({item.title for item in items}) == len({item.item_id for item in items}) == 240
    assert all(item.categories and set(item.categories) <= TOPICS.keys() for item in items)
    assert all(len(set(item.categories)) == len(item.categories) for item in items)


def test_users_stay_with_a_topic_and_drift_to_others(stream: SyntheticStream) -> None:
    topics: dict[int, list[int]] = defaultdict(list)
    for user, topic in zip(stream.user.tolist(), stream.topic.tolist(), strict=True):
        topics[user].append(topic)
    changes = sum(a != b for line in topics.values() for a, b in pairwise(line))
    assert 20 < len(stream.user) / changes < 100
    assert all(len(set(line)) > 1 for line in topics.values() if len(line) > 300)


def test_most_events_are_about_the_topic(stream: SyntheticStream) -> None:
    assert (stream.item_topics[stream.item, 0] == stream.topic).mean() > 0.85


def test_only_ratings_have_stars(stream: SyntheticStream) -> None:
    for event in stream.events():
        assert (event.value is not None) == (event.event_type == "rating")
        assert event.value is None or event.value in (1.0, 2.0, 3.0, 4.0, 5.0)


def test_the_last_item_predicts_the_next_better_than_popularity_does(stream: SyntheticStream) -> None:
    popular: Counter[int] = Counter()
    following: dict[int, Counter[int]] = defaultdict(Counter)
    last: dict[int, int] = {}
    by_popularity = by_last = 0
    for index, (user, item) in enumerate(zip(stream.user.tolist(), stream.item.tolist(), strict=True)):
        before = last.get(user, -1)
        if index >= 8_000:
            by_popularity += item in [known for known, _ in popular.most_common(TOP_K)]
            by_last += item in [known for known, _ in following[before].most_common(TOP_K)]
        popular[item] += 1
        following[before][item] += 1
        last[user] = item
    assert by_last > 3 * by_popularity > 0


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_what_is_written_is_read_back(stream: SyntheticStream, tmp_path: Path, ending: str) -> None:
    write_files(stream, tmp_path / "events.jsonl", tmp_path / f"items.{ending}")
    assert read_items(tmp_path / f"items.{ending}") == stream.items()
    assert [event.encode() for event in read_events(tmp_path / "events.jsonl").events] == [
        event.encode() for event in stream.events()
    ]


@pytest.mark.parametrize(("events", "users", "items"), [(0, 1, 12), (1, 0, 12), (1, 1, 11)])
def test_too_few_events_users_or_items_are_refused(events: int, users: int, items: int) -> None:
    with pytest.raises(ValueError, match="needs at least 1 event, 1 user and 12 items"):
        synthesize(events, users, items, 0)

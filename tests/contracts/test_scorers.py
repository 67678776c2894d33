"""Contract of every scorer: it scores before it learns, never sees the future, and ties share their mean rank."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.quality.datasets import Dataset
from bench.quality.report import SCORERS, WorkerOptions
from bench.quality.scorer import TOP_K, EventScores, Scorer
from models.data.event_log import EventLog
from models.data.event_types import type_index
from streams.settings.recipes import RECIPES

USERS, ITEMS, EVENTS, BATCH = 12, 20, 160, 16
WORDS = ["loud", "clear", "warm", "cheap"]


def dataset(allow_repeats: bool, seed: int = 0) -> Dataset:
    """A random log; items are indexed by first appearance."""
    random = np.random.default_rng(seed)
    user = random.integers(0, USERS, EVENTS)
    raw = np.empty(EVENTS, dtype=np.int64)
    had: dict[int, set[int]] = {}
    for index, user_index in enumerate(user.tolist()):
        user_items = had.setdefault(user_index, set())
        choices = [item for item in range(3 * ITEMS) if allow_repeats or item not in user_items]
        raw[index] = random.choice(np.array(choices))
        user_items.add(int(raw[index]))
    item_index: dict[int, int] = {}
    item = np.array([item_index.setdefault(raw_item, len(item_index) + 1) for raw_item in raw.tolist()])
    events = EventLog(
        user=user,
        item=item,
        time_ms=np.cumsum(random.integers(1, 100_000, EVENTS)),
        type=np.full(EVENTS, type_index("rating")),
        value=random.integers(1, 6, EVENTS).astype(np.float64),
        text=np.array([f"{WORDS[n % 4]} {WORDS[n % 3]}" if n % 3 else "" for n in range(EVENTS)], dtype=np.object_),
    )
    return Dataset(
        name="random",
        events=events,
        users=USERS,
        item_ids=["", *(f"i{index}" for index in range(1, 3 * ITEMS + 1))],
        titles=["", *(f"{WORDS[index % 4]} {index}" for index in range(1, 3 * ITEMS + 1))],
        categories=[()] * (3 * ITEMS + 1),
        allow_repeats=allow_repeats,
        complete_users=np.ones(USERS, dtype=np.bool_),
    )


# Excluding a user's items is the same code in all networks; with repeats they have more parts.
CASES = [
    (kind, repeats) for kind in SCORERS for repeats in ("allow", "filter") if kind not in RECIPES or repeats == "allow"
]


# All tests of a case come together, and share what none of them changes.
@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    kind, repeats = request.param
    return kind, repeats


@pytest.fixture(scope="module")
def kind(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture(scope="module")
def log(case: tuple[str, str]) -> Dataset:
    return dataset(case[1] == "allow")


@pytest.fixture(scope="module")
def finished(kind: str, log: Dataset) -> tuple[Scorer, EventScores]:
    """A scorer that has scored and learnt the log, and its scores."""
    scorer = make_scorer(kind, log)
    return scorer, run(scorer, log.events)


@pytest.fixture(scope="module")
def scores(finished: tuple[Scorer, EventScores]) -> EventScores:
    return finished[1]


def make_scorer(kind: str, log: Dataset) -> Scorer:
    return SCORERS[kind](log, WorkerOptions(batch_events=BATCH, trained=True, overrides=("training.epochs=1",)))


def run(scorer: Scorer, events: EventLog) -> EventScores:
    parts = []
    for batch in batches(scorer, events):
        parts.append(scorer.score(batch))
        scorer.step(batch, learn=True)
    return EventScores.join(parts)


def batches(scorer: Scorer, events: EventLog) -> Iterator[EventLog]:
    for low in range(0, len(events), scorer.batch_events):
        yield events[low : low + scorer.batch_events]


def with_item(events: EventLog, index: int, item: int) -> EventLog:
    """The events with another item at this index."""
    items = events.item.copy()
    items[index] = item
    return replace(events, item=items)


def assert_equal(first: EventScores, second: EventScores, rows: slice) -> None:
    for name in ("rank", "log_p", "top1_p", "top1_hit", "expected_value"):
        np.testing.assert_array_equal(getattr(first, name)[rows], getattr(second, name)[rows], err_msg=name)


def appeared_before(events: EventLog) -> NDArray[np.bool_]:
    """[n] whether the item has an earlier event."""
    return events.item <= np.concatenate([[0], np.maximum.accumulate(events.item)[:-1]])


def test_scoring_has_no_effect(kind: str, log: Dataset, scores: EventScores) -> None:
    scorer, parts = make_scorer(kind, log), []
    for batch in batches(scorer, log.events):
        first, second = scorer.score(batch), scorer.score(batch)
        assert_equal(first, second, slice(None))
        parts.append(second)
        scorer.step(batch, learn=True)
    assert_equal(EventScores.join(parts), scores, slice(None))


def test_the_future_is_never_seen(kind: str, log: Dataset, scores: EventScores) -> None:
    # The change is the last event of a batch: those before it in the same batch must not change either.
    index = 8 * BATCH - 1
    last_item = int(log.events.item[: index + 1].max())
    for item in (1, last_item):
        other = run(make_scorer(kind, log), with_item(log.events, index, item)[: index + 1])
        assert_equal(scores, other, slice(0, index))


def test_the_prediction_does_not_depend_on_the_item(kind: str, log: Dataset) -> None:
    index = 120
    last_item = int(log.events.item[:index].max())
    scorer = make_scorer(kind, log)
    before = index // scorer.batch_events * scorer.batch_events
    run(scorer, log.events[:before])
    one, other = (scorer.score(with_item(log.events, index, item)[before : index + 1]) for item in (1, last_item))
    np.testing.assert_array_equal(one.top1_p[-1], other.top1_p[-1])


def test_learning_changes_what_comes_after(kind: str, log: Dataset, scores: EventScores) -> None:
    unlearned, half = make_scorer(kind, log), 5 * BATCH
    for batch in batches(unlearned, log.events[:half]):
        unlearned.step(batch, learn=False)
    frozen = run(unlearned, log.events[half:])
    assert not np.array_equal(scores.rank[half:], frozen.rank)


def test_ties_share_their_mean_rank(kind: str, log: Dataset) -> None:
    scorer = make_scorer(kind, log)
    scorer.add_candidates(9)
    for item in (1, 5, 9):
        assert scorer.score(with_item(log.events[:1], 0, item)).rank.tolist() == [5.0]


def test_an_item_is_a_miss_until_it_has_appeared(log: Dataset, finished: tuple[Scorer, EventScores]) -> None:
    scorer, scores = finished
    # Within a batch the shared vocabulary does not change.
    size = scorer.batch_events
    batch_start = np.arange(EVENTS) // size * size
    known = np.concatenate([[0], np.maximum.accumulate(log.events.item)])[batch_start]
    appeared = log.events.item <= known
    np.testing.assert_array_equal(np.isfinite(scores.rank), appeared)
    assert not scores.top1_hit[~appeared].any()
    assert (np.isneginf(scores.log_p) | np.isnan(scores.log_p))[~appeared].all()
    assert not np.isneginf(scores.log_p[appeared]).any()
    assert appeared_before(log.events)[appeared].all()


def test_an_item_the_user_had_is_a_candidate_only_with_repeats(
    log: Dataset, finished: tuple[Scorer, EventScores]
) -> None:
    again = finished[0].score(log.events[:1])
    assert np.isfinite(again.rank[0]) == (log.allow_repeats)


def test_ranks_are_among_the_candidates(log: Dataset, scores: EventScores) -> None:
    reached = np.isfinite(scores.rank)
    known = np.maximum.accumulate(log.events.item)
    assert (scores.rank[reached] >= 1).all()
    assert (scores.rank[reached] <= known[reached]).all()
    assert scores.top_items.shape[1] == TOP_K
    assert scores.top_items.max() <= known[-1]
    for top_items in scores.top_items:
        items = top_items[top_items > 0].tolist()
        assert len(items) == len(set(items))


def test_probabilities_are_consistent(scores: EventScores) -> None:
    given = ~np.isnan(scores.top1_p)
    assert ((scores.top1_p[given] >= 0) & (scores.top1_p[given] <= 1 + 1e-6)).all()
    both = given & np.isfinite(scores.log_p)
    assert (np.exp(scores.log_p[both]) <= scores.top1_p[both] + 1e-6).all()
    hits = both & scores.top1_hit
    np.testing.assert_allclose(np.exp(scores.log_p[hits]), scores.top1_p[hits], rtol=1e-5)


def test_user_states_are_reset_after_fit(kind: str, log: Dataset) -> None:
    scorer = make_scorer(kind, log)
    scorer.fit(log.events[: EVENTS // 2], lambda done, total: None)
    assert np.isinf(scorer.score(log.events[:1]).rank).all()

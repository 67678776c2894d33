"""What every scorer promises: predict, score, then learn; never the future; equals share their places."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.quality.datasets import Dataset
from bench.quality.report import SCORERS, Effort
from bench.quality.scorer import TOP, Scorer, Scores
from models.data.event_log import EventLog
from models.data.event_types import type_index
from streams.settings.recipes import RECIPES

USERS, ITEMS, EVENTS, BATCH = 12, 20, 300, 16
WORDS = ["loud", "clear", "warm", "cheap"]


def dataset(repeats: str, seed: int = 0) -> Dataset:
    """A random log; items are numbered by first appearance, and twice as likely from where the user just was."""
    random = np.random.default_rng(seed)
    user = random.integers(0, USERS, EVENTS)
    raw = np.empty(EVENTS, dtype=np.int64)
    had: dict[int, set[int]] = {}
    for at, one in enumerate(user.tolist()):
        mine = had.setdefault(one, set())
        left = [item for item in range(3 * ITEMS) if item not in mine] if repeats == "filter" else range(3 * ITEMS)
        raw[at] = random.choice(np.array(left))
        mine.add(int(raw[at]))
    number: dict[int, int] = {}
    item = np.array([number.setdefault(one, len(number) + 1) for one in raw.tolist()])
    events = EventLog(
        user=user,
        item=item,
        time_ms=np.cumsum(random.integers(1, 100_000, EVENTS)),
        type=np.full(EVENTS, type_index("rating")),
        value=random.integers(1, 6, EVENTS).astype(np.float64),
        text=np.array([f"{WORDS[at % 4]} {WORDS[at % 3]}" if at % 3 else "" for at in range(EVENTS)], dtype=np.object_),
    )
    return Dataset(
        name="random",
        events=events,
        users=USERS,
        item_ids=["", *(f"i{one}" for one in range(1, 3 * ITEMS + 1))],
        titles=["", *(f"{WORDS[one % 4]} {one}" for one in range(1, 3 * ITEMS + 1))],
        categories=[()] * (3 * ITEMS + 1),
        repeats="filter" if repeats == "filter" else "allow",
        whole=np.ones(USERS, dtype=np.bool_),
    )


# What filters the items that a user had is the same in all networks; where they come back there are more parts.
CASES = [
    (kind, repeats) for kind in SCORERS for repeats in ("allow", "filter") if kind not in RECIPES or repeats == "allow"
]


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    kind, repeats = request.param
    return kind, repeats


@pytest.fixture
def kind(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture
def log(case: tuple[str, str]) -> Dataset:
    return dataset(case[1])


def made(kind: str, log: Dataset) -> Scorer:
    return SCORERS[kind](log, Effort(batch_events=BATCH, trained=True, overrides=("training.epochs=1",)))


def run(scorer: Scorer, events: EventLog) -> Scores:
    parts = []
    for batch in batches(scorer, events):
        parts.append(scorer.score(batch))
        scorer.step(batch, learn=True)
    return Scores.join(parts)


def batches(scorer: Scorer, events: EventLog) -> Iterator[EventLog]:
    for low in range(0, len(events), scorer.batch_events):
        yield events[low : low + scorer.batch_events]


def changed(events: EventLog, at: int, item: int) -> EventLog:
    """The events with another item at this place."""
    items = events.item.copy()
    items[at] = item
    return replace(events, item=items)


def assert_equal(first: Scores, second: Scores, rows: slice) -> None:
    for name in ("rank", "log_p", "top1_p", "top1_hit", "value"):
        np.testing.assert_array_equal(getattr(first, name)[rows], getattr(second, name)[rows], err_msg=name)


def met_before(events: EventLog) -> NDArray[np.bool_]:
    """[n] whether the item was met in an earlier event."""
    return events.item <= np.concatenate([[0], np.maximum.accumulate(events.item)[:-1]])


def test_scoring_changes_nothing(kind: str, log: Dataset) -> None:
    scorer = made(kind, log)
    for batch in batches(scorer, log.events):
        first, second = scorer.score(batch), scorer.score(batch)
        assert_equal(first, second, slice(None))
        scorer.step(batch, learn=True)
    once = made(kind, log)
    assert_equal(run(made(kind, log), log.events), run(once, log.events), slice(None))


def test_the_future_is_never_seen(kind: str, log: Dataset) -> None:
    # The change is the last event of a batch: those before it in the same batch must not feel it either.
    at = 12 * BATCH - 1
    known = int(log.events.item[: at + 1].max())
    whole = run(made(kind, log), log.events)
    for item in (1, known):
        other = run(made(kind, log), changed(log.events, at, item))
        assert_equal(whole, other, slice(0, at))


def test_the_item_itself_does_not_tell_of_itself(kind: str, log: Dataset) -> None:
    at = 200
    known = int(log.events.item[:at].max())
    one, other = (run(made(kind, log), changed(log.events, at, item)[: at + 1]) for item in (1, known))
    np.testing.assert_array_equal(one.top1_p[at], other.top1_p[at])


def test_learning_changes_what_comes_after(kind: str, log: Dataset) -> None:
    scorer, still = made(kind, log), made(kind, log)
    half = log.events[: EVENTS // 2]
    run(scorer, half)
    for batch in batches(still, half):
        still.step(batch, learn=False)
    rest = log.events[EVENTS // 2 :]
    ours, theirs = run(scorer, rest), run(still, rest)
    assert not np.array_equal(ours.rank, theirs.rank)


def test_equals_share_the_mean_of_their_places(kind: str, log: Dataset) -> None:
    scorer = made(kind, log)
    scorer.know(9)
    for item in (1, 5, 9):
        assert scorer.score(changed(log.events[:1], 0, item)).rank.tolist() == [5.0]


def test_an_item_never_met_is_a_miss_and_one_met_is_not(kind: str, log: Dataset) -> None:
    scorer = made(kind, log)
    found = run(scorer, log.events)
    # Within a batch the vocabulary of what users share stands still.
    size = scorer.batch_events
    before = np.arange(EVENTS) // size * size
    known = np.concatenate([[0], np.maximum.accumulate(log.events.item)])[before]
    met = log.events.item <= known
    np.testing.assert_array_equal(np.isfinite(found.rank), met)
    assert not found.top1_hit[~met].any()
    assert (np.isneginf(found.log_p) | np.isnan(found.log_p))[~met].all()
    assert not np.isneginf(found.log_p[met]).any()
    assert met_before(log.events)[met].all()


def test_an_item_the_user_had_is_a_candidate_only_where_items_come_back(kind: str, log: Dataset) -> None:
    scorer = made(kind, log)
    run(scorer, log.events)
    again = scorer.score(log.events[:1])
    assert np.isfinite(again.rank[0]) == (log.repeats == "allow")


def test_places_are_among_the_candidates(kind: str, log: Dataset) -> None:
    found = run(made(kind, log), log.events)
    reached = np.isfinite(found.rank)
    known = np.maximum.accumulate(log.events.item)
    assert (found.rank[reached] >= 1).all()
    assert (found.rank[reached] <= known[reached]).all()
    assert found.shown.shape[1] == TOP
    assert found.shown.max() <= known[-1]
    for shown in found.shown:
        items = shown[shown > 0].tolist()
        assert len(items) == len(set(items))


def test_probabilities_are_some(kind: str, log: Dataset) -> None:
    found = run(made(kind, log), log.events)
    told = ~np.isnan(found.top1_p)
    assert ((found.top1_p[told] >= 0) & (found.top1_p[told] <= 1 + 1e-6)).all()
    sure = told & np.isfinite(found.log_p)
    assert (np.exp(found.log_p[sure]) <= found.top1_p[sure] + 1e-6).all()
    hits = sure & found.top1_hit
    np.testing.assert_allclose(np.exp(found.log_p[hits]), found.top1_p[hits], rtol=1e-5)


def test_users_begin_anew_after_fitting(kind: str, log: Dataset) -> None:
    scorer = made(kind, log)
    scorer.fit(log.events[: EVENTS // 2], lambda done, total: None)
    assert np.isinf(scorer.score(log.events[:1]).rank).all()

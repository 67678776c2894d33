import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.metrics.popularity_baseline import DecayedPopularity


def observed(*items: int, half_life: float = 10) -> DecayedPopularity:
    popularity = DecayedPopularity(half_life)
    popularity.observe(np.array(items))
    return popularity


def test_half_life_halves_a_count() -> None:
    # Item 1 twice, then item 2, whose one count is more than what half-lives have left of the two.
    assert [observed(1, 1, 2, half_life=0.5).rank(item) for item in (1, 2)] == [2, 1]
    assert [observed(1, 1, 2, half_life=1000).rank(item) for item in (1, 2)] == [1, 2]


def test_rank_counts_what_is_ahead_without_what_was_had() -> None:
    popularity = observed(1, 2, 3, half_life=1)
    assert [popularity.rank(item) for item in (3, 2, 1)] == [1, 2, 3]
    assert popularity.rank(1, np.array([3, 999])) == 2


def test_ties_take_the_mean_rank() -> None:
    popularity = observed(1, 2, 3, 4, half_life=math.inf)
    assert popularity.rank(2) == 2.5
    assert popularity.rank(2, np.array([1, 4])) == 1.5


def test_unseen_and_filtered_items_are_misses() -> None:
    popularity = observed(1, 2)
    assert popularity.rank(7) == math.inf
    assert popularity.rank(5000) == math.inf
    assert popularity.rank(1, np.array([1])) == math.inf


def test_no_item_is_not_counted() -> None:
    popularity = observed(0, 4, 0)
    assert popularity.rank(4) == 1
    assert popularity.rank(0) == math.inf
    assert popularity.weights(6).tolist() == [0.5, 0.5, 0.5, 0.5, 1.5, 0.5]
    assert popularity.known == 4


def test_counts_stay_finite_for_ever() -> None:
    popularity = observed(*([1, 2, 3, 2000] * 2000), half_life=1)
    assert [popularity.rank(item) for item in (2000, 3, 2, 1)] == [1, 2, 3, 4]


def test_a_batch_counts_as_its_events_one_by_one_and_goes_on_from_its_state() -> None:
    items = [1, 5, 5, 2, 3000, 1, 7]
    together, singly, restored = observed(*items), observed(), DecayedPopularity(10)
    for item in items[:4]:
        singly.observe(np.array([item]))
    restored.restore(singly.state())
    for item in items[4:]:
        singly.observe(np.array([item]))
    restored.observe(np.array(items[4:]))
    np.testing.assert_allclose(together.weights(4000), singly.weights(4000), rtol=1e-12)
    np.testing.assert_allclose(together.weights(4000), restored.weights(4000), rtol=1e-12)
    assert together.known == singly.known == restored.known == 3000


@pytest.mark.real_log
def test_recall_on_a_real_log_is_the_published_one(
    ml_100k: tuple[NDArray[np.int64], list[str], NDArray[np.int64]],
) -> None:
    user, item_ids, _ = ml_100k
    number: dict[str, int] = {}
    item = [number.setdefault(name, len(number) + 1) for name in item_ids]
    popularity, had, hits = DecayedPopularity(), {int(u): [0] for u in np.unique(user)}, 0
    scored_from = len(item) * 7 // 10
    for index, (who, what) in enumerate(zip(user.tolist(), item, strict=True)):
        if index >= scored_from:
            hits += popularity.rank(what, np.array(had[who])) <= 10
        popularity.observe(np.array([what]))
        had[who].append(what)
    assert hits / (len(item) - scored_from) == pytest.approx(0.0769, abs=0.0002)

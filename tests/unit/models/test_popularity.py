import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.popularity import DecayedPopularity


def observed(*items: int, half_life: float = 10) -> DecayedPopularity:
    popularity = DecayedPopularity(half_life)
    for item in items:
        popularity.observe(item)
    return popularity


def test_half_life_halves_a_count() -> None:
    # Item 1 twice, then ten events of item 2 whose counts sum to less than each newer one's share.
    assert observed(1, 1, 2, half_life=0.5).top(2).tolist() == [2, 1]
    assert observed(1, 1, 2, half_life=1000).top(2).tolist() == [1, 2]


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


def test_no_item_is_not_counted_and_top_has_only_observed_items() -> None:
    assert observed(0, 4, 0).top(10).tolist() == [4]


def test_counts_stay_finite_for_ever() -> None:
    popularity = observed(*([1, 2, 3, 2000] * 2000), half_life=1)
    assert popularity.top(4).tolist() == [2000, 3, 2, 1]


def test_recall_on_a_real_log_is_the_published_one(
    ml_100k: tuple[NDArray[np.int64], list[str], NDArray[np.int64]],
) -> None:
    user, item_ids, _ = ml_100k
    number: dict[str, int] = {}
    item = [number.setdefault(name, len(number) + 1) for name in item_ids]
    popularity, had, hits = DecayedPopularity(), {int(u): [0] for u in np.unique(user)}, 0
    scored_from = len(item) * 7 // 10
    for at, (who, what) in enumerate(zip(user.tolist(), item, strict=True)):
        if at >= scored_from:
            hits += popularity.rank(what, np.array(had[who])) <= 10
        popularity.observe(what)
        had[who].append(what)
    assert hits / (len(item) - scored_from) == pytest.approx(0.0769, abs=0.0002)

import math

import numpy as np
import pytest

from bench.quality.counters.ranking import Ranking, scores
from bench.quality.scorer import TOP


def weights() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([9.0, 4.0, 2.0, 2.0, 0.0])


def test_a_place_is_among_the_candidates_and_equals_share_theirs() -> None:
    assert [Ranking.of(weights(), (), item).rank for item in (1, 2, 3, 4)] == [1, 2.5, 2.5, 4]


def test_probabilities_are_shares_of_the_weight() -> None:
    found = Ranking.of(weights(), (), 2)
    assert math.exp(found.log_p) == pytest.approx(2 / 8, rel=1e-5)
    assert found.top1_p == pytest.approx(4 / 8, rel=1e-5)
    assert not found.top1_hit
    total = sum(math.exp(Ranking.of(weights(), (), item).log_p) for item in (1, 2, 3, 4))
    assert total == pytest.approx(1)
    assert Ranking.of(weights(), (), 4).log_p > -20


def test_items_that_were_had_are_no_candidates() -> None:
    assert Ranking.of(weights(), [1, 1], 2).rank == 1.5
    assert Ranking.of(weights(), [1], 1).rank == math.inf
    assert math.exp(Ranking.of(weights(), [1], 2).log_p) == pytest.approx(0.5, rel=1e-5)


def test_an_unknown_item_is_a_miss_of_a_prediction_that_was_made() -> None:
    found = Ranking.of(weights(), (), 5)
    assert (found.rank, found.log_p, found.top1_hit) == (math.inf, -math.inf, False)
    assert found.top1_p == pytest.approx(0.5, rel=1e-5)


def test_without_candidates_nothing_is_predicted() -> None:
    found = Ranking.of(np.array([1.0, 2.0]), [1], 1)
    assert (found.rank, found.top1_p, found.shown.tolist()) == (math.inf, 0, [0] * TOP)


def test_the_best_are_shown() -> None:
    assert sorted(Ranking.of(np.arange(15.0), [14], 1).shown.tolist()) == list(range(4, 14))
    assert sorted(Ranking.of(weights(), (), 1).shown.tolist()) == [0] * (TOP - 4) + [1, 2, 3, 4]


def test_rankings_join_into_arrays() -> None:
    joined = scores([Ranking.of(weights(), (), 1, 3.5), Ranking.of(weights(), (), 7)])
    assert joined.rank.tolist() == [1, math.inf]
    assert joined.top1_hit.tolist() == [True, False]
    assert joined.value[0] == 3.5
    assert joined.shown.shape == (2, TOP)
    assert scores([]).shown.shape == (0, TOP)

import math

import numpy as np
import pytest

from bench.quality.counters.ranking import ItemRanking, event_scores
from bench.quality.scorer import TOP_K


def weights() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([9.0, 4.0, 2.0, 2.0, 0.0])


def test_ties_share_their_mean_rank() -> None:
    assert [ItemRanking.by_weight(weights(), (), item).rank for item in (1, 2, 3, 4)] == [1, 2.5, 2.5, 4]


def test_probabilities_are_shares_of_the_weight() -> None:
    ranking = ItemRanking.by_weight(weights(), (), 2)
    assert math.exp(ranking.log_p) == pytest.approx(2 / 8, rel=1e-5)
    assert ranking.top1_p == pytest.approx(4 / 8, rel=1e-5)
    assert not ranking.top1_hit
    total = sum(math.exp(ItemRanking.by_weight(weights(), (), item).log_p) for item in (1, 2, 3, 4))
    assert total == pytest.approx(1)
    assert ItemRanking.by_weight(weights(), (), 4).log_p > -20


def test_excluded_items_are_no_candidates() -> None:
    assert ItemRanking.by_weight(weights(), [1, 1], 2).rank == 1.5
    assert ItemRanking.by_weight(weights(), [1], 1).rank == math.inf
    assert math.exp(ItemRanking.by_weight(weights(), [1], 2).log_p) == pytest.approx(0.5, rel=1e-5)


def test_an_unknown_item_is_a_miss() -> None:
    ranking = ItemRanking.by_weight(weights(), (), 5)
    assert (ranking.rank, ranking.log_p, ranking.top1_hit) == (math.inf, -math.inf, False)
    assert ranking.top1_p == pytest.approx(0.5, rel=1e-5)


def test_without_candidates_nothing_is_predicted() -> None:
    ranking = ItemRanking.by_weight(np.array([1.0, 2.0]), [1], 1)
    assert (ranking.rank, ranking.top1_p, ranking.top_items.tolist()) == (math.inf, 0, [0] * TOP_K)


def test_the_top_items_have_the_largest_weights() -> None:
    assert sorted(ItemRanking.by_weight(np.arange(15.0), [14], 1).top_items.tolist()) == list(range(4, 14))
    assert sorted(ItemRanking.by_weight(weights(), (), 1).top_items.tolist()) == [0] * (TOP_K - 4) + [1, 2, 3, 4]


def test_rankings_join_into_arrays() -> None:
    joined = event_scores([ItemRanking.by_weight(weights(), (), 1, 3.5), ItemRanking.by_weight(weights(), (), 7)])
    assert joined.rank.tolist() == [1, math.inf]
    assert joined.top1_hit.tolist() == [True, False]
    assert joined.expected_value[0] == 3.5
    assert joined.top_items.shape == (2, TOP_K)
    assert event_scores([]).top_items.shape == (0, TOP_K)

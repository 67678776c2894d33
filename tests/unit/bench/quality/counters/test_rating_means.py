import numpy as np
import pytest

from bench.quality.counters.rating_means import RatingMeans
from tests.unit.bench.small_logs import make_log


def test_the_predicted_rating_is_the_mean_plus_damped_deviations() -> None:
    log = make_log([0, 1, 0], [1, 1, 2], [5, 2, 4])
    scorer = RatingMeans(log)
    scorer.add_candidates(2)
    assert np.isnan(scorer.score(log.events[:1]).expected_value[0])
    scorer.step(log.events[:1], learn=True)
    # Mean 5; neither item nor user deviates from it.
    assert scorer.score(log.events[1:2]).expected_value[0] == pytest.approx(5)
    scorer.step(log.events[1:2], learn=True)
    # Mean 3.5; item 1 had 5 - 5 and 2 - 3.5 in 2 ratings, damped by 10; user 0 had no deviation.
    item_1 = -1.5 / 12
    assert scorer.score(make_log([0], [1]).events).expected_value[0] == pytest.approx(3.5 + item_1)
    of_user_1 = (2 - 3.5 - item_1) / 11
    assert scorer.score(make_log([1], [2]).events).expected_value[0] == pytest.approx(3.5 + of_user_1)


def test_items_with_better_ratings_rank_higher() -> None:
    log = make_log([0, 1, 2, 3, 4], [1, 2, 3, 1, 1], [1, 5, 3, 1, 1])
    scorer = RatingMeans(log)
    scorer.step(log.events[:4], learn=True)
    ranks = [scorer.score(make_log([4], [item]).events).rank[0] for item in (1, 2, 3)]
    assert ranks == [3, 1, 2]


def test_without_ratings_no_rating_is_predicted() -> None:
    log = make_log([0, 1, 0], [1, 1, 2])
    scorer = RatingMeans(log)
    scorer.step(log.events[:2], learn=True)
    scores = scorer.score(log.events[2:])
    assert np.isnan(scores.expected_value).all()
    assert np.isinf(scores.rank).all()

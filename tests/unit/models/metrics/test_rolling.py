from dataclasses import astuple

import numpy as np
import pytest

from models.metrics.prequential_sample import PrequentialSample
from models.metrics.rolling import Quality, RollingQuality


def sample(
    rank: list[float], log_p: list[float], popular_rank: list[float], popular_log_p: list[float]
) -> PrequentialSample:
    return PrequentialSample(np.arange(len(rank)), *map(np.array, (rank, log_p, popular_rank, popular_log_p)))


def test_misses_count_for_recall_and_rank_but_have_no_loss() -> None:
    quality = Quality.of(np.array([1, 10, 10.5, np.inf]), np.array([-1.0, -2.0, -6.0, -np.inf]))
    assert astuple(quality) == pytest.approx((0.5, (1 + 0.1 + 1 / 10.5) / 4, 3.0))


def test_before_anything_is_scored_nothing_is_known() -> None:
    running = RollingQuality()
    assert (running.scored, running.window, running.possible) == (0, 0, 0)
    assert np.isnan([running.model.recall_at_10, running.model.mrr, running.popularity.log_loss]).all()


def test_ours_and_popularity_are_kept_apart() -> None:
    running = RollingQuality()
    running.add(sample([1, 2, np.inf], [-0.5, -1.5, -np.inf], [20, 4, np.inf], [-3, -5, -np.inf]))
    assert astuple(running.model) == pytest.approx((2 / 3, 0.5, 1.0))
    assert astuple(running.popularity) == pytest.approx((1 / 3, 0.1, 4.0))
    assert (running.scored, running.window, running.possible) == (3, 3, 2)

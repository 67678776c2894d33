import numpy as np

from models.experts.popularity_counts import PopularityCounts


def test_probabilities_are_made_once_per_count_and_size() -> None:
    counts = PopularityCounts()
    counts.add(np.array([1, 2, 2]), np.ones(3, np.float32))
    first = counts.probabilities(4)
    assert counts.probabilities(4) is first
    assert counts.probabilities(5).shape == (4, 5)
    counts.add(np.array([3]), np.ones(1, np.float32))
    assert (counts.probabilities(4)[:, 3] > first[:, 3]).all()
    other = PopularityCounts()
    other.restore(counts.state(4))
    np.testing.assert_array_equal(other.probabilities(4), counts.probabilities(4))
    other.restore(np.zeros((4, 4)))
    np.testing.assert_allclose(other.probabilities(4)[:, 1:], 1 / 3, rtol=1e-6)


def test_what_has_decayed_to_nothing_is_dropped_before_it_is_too_small_to_compute_with() -> None:
    counts = PopularityCounts()
    counts.add(np.array([1]), np.ones(1, np.float32))
    for _ in range(700):
        counts.add(np.full(100, 2), np.ones(100, np.float32))
        small = counts.state(3)[counts.state(3) > 0]
        assert (small > np.finfo(np.float64).tiny).all()
    assert counts.state(3)[0, 1] == 0
    assert counts.state(3)[3, 1] == 1

"""Logistic regressions fitted label by label."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.experts.horizons.online_logistic import OnlineLogistic, logit, sigmoid

TRUE = np.array([-1.0, 0.8, -0.5])


def drawn(count: int, weights: NDArray[np.float64], seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    random = np.random.default_rng(seed)
    x = np.column_stack([np.ones(count), random.standard_normal((count, 2))])
    return x, random.random(count) < sigmoid(x @ weights)


def test_small_batches_find_what_all_labels_at_once_find() -> None:
    x, label = drawn(6000, TRUE)
    once, often = (OnlineLogistic(np.zeros((2, 3)), 1.0, np.inf) for _ in range(2))
    once.fit(1, x, label)
    for low in range(0, len(x), 50):
        often.fit(1, x[low : low + 50], label[low : low + 50])
    np.testing.assert_allclose(once.weights[1], TRUE, atol=0.12)
    np.testing.assert_allclose(often.weights[1], once.weights[1], atol=0.03)
    assert not once.weights[0].any()
    assert often.labels.tolist() == [0, 6000]


def test_older_labels_fade_where_they_are_to() -> None:
    before, after = drawn(20_000, TRUE), drawn(5000, TRUE - np.array([1.0, 0, 0]), seed=1)
    kept, fading = (OnlineLogistic(np.zeros((1, 3)), 1.0, half_life) for half_life in (np.inf, 1000.0))
    for regression in (kept, fading):
        for x, label in (before, after):
            for low in range(0, len(x), 500):
                regression.fit(0, x[low : low + 500], label[low : low + 500])
    assert fading.weights[0, 0] == pytest.approx(-2, abs=0.2)
    assert kept.weights[0, 0] > -1.6


def test_without_labels_it_is_what_it_began_as_and_one_kind_of_label_does_not_carry_it_away() -> None:
    regression = OnlineLogistic(np.array([[0.0, 1.0]]), 1.0, np.inf)
    np.testing.assert_array_equal(regression.logits(np.array([[1.0, -2.0]])), [[-2.0]])
    for _ in range(50):
        regression.fit(0, np.tile([1.0, 5.0], (100, 1)), np.zeros(100, np.bool_))
    assert np.isfinite(regression.weights).all()
    assert sigmoid(regression.logits(np.array([[1.0, 5.0]])))[0, 0] < 0.01


def test_it_goes_on_from_its_state() -> None:
    x, label = drawn(500, TRUE)
    first, second = (OnlineLogistic(np.zeros((1, 3)), 1.0, 100.0) for _ in range(2))
    first.fit(0, x, label)
    second.restore(first.state())
    for regression in (first, second):
        regression.fit(0, x[:100], label[:100])
    np.testing.assert_array_equal(first.weights, second.weights)
    with pytest.raises(ValueError, match="regressions of shape"):
        OnlineLogistic(np.zeros((2, 3)), 1.0, 1.0).restore(first.state())


def test_logit_inverts_sigmoid_within_bounds() -> None:
    p = np.array([0.0, 1e-4, 0.5, 1.0])
    np.testing.assert_allclose(sigmoid(logit(p)), p, atol=1e-5)
    assert np.abs(logit(p)).max() <= 12

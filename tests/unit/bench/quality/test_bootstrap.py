import math

import numpy as np
import pytest

from bench.quality.bootstrap import paired_difference


def test_the_error_of_independent_events_is_that_of_a_mean() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0.3, 1, 2000), random.normal(0, 1, 2000)
    result = paired_difference(first, second, np.arange(2000))
    difference = first - second
    assert result.mean == pytest.approx(difference.mean())
    assert result.error == pytest.approx(difference.std(ddof=1) / math.sqrt(2000), rel=0.1)
    assert result.low < result.mean - result.error < result.mean + result.error < result.high


def test_equal_events_of_one_user_count_as_one() -> None:
    of_user = np.random.default_rng(2).normal(0, 1, 100)
    user = np.repeat(np.arange(100), 20)
    result = paired_difference(of_user[user], np.zeros(2000), user)
    assert result.error == pytest.approx(of_user.std(ddof=1) / 10, rel=0.15)
    assert result.error > 3 * paired_difference(of_user[user], np.zeros(2000), np.arange(2000)).error


def test_a_constant_difference_has_no_error() -> None:
    values = np.arange(50.0)
    result = paired_difference(values + 2, values, np.arange(50) % 7)
    assert (result.mean, result.error, result.low, result.high) == (2, 0, 2, 2)


def test_events_without_a_value_in_either_are_left_out() -> None:
    first, second = np.array([1.0, np.nan, 3.0, 4.0]), np.array([0.0, 1.0, np.nan, 1.0])
    assert paired_difference(first, second, np.zeros(4, dtype=np.int64)).mean == 2
    assert math.isnan(paired_difference(first[1:3], second[1:3], np.zeros(2, dtype=np.int64)).mean)

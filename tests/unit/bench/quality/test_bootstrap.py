import math

import numpy as np
import pytest

from bench.quality.bootstrap import paired


def test_the_error_of_independent_events_is_that_of_a_mean() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0.3, 1, 2000), random.normal(0, 1, 2000)
    found = paired(first, second, np.arange(2000))
    each = first - second
    assert found.mean == pytest.approx(each.mean())
    assert found.error == pytest.approx(each.std(ddof=1) / math.sqrt(2000), rel=0.1)
    assert found.low < found.mean - found.error < found.mean + found.error < found.high


def test_events_of_one_user_count_as_one_where_they_are_alike() -> None:
    of_user = np.random.default_rng(2).normal(0, 1, 100)
    user = np.repeat(np.arange(100), 20)
    found = paired(of_user[user], np.zeros(2000), user)
    assert found.error == pytest.approx(of_user.std(ddof=1) / 10, rel=0.15)
    assert found.error > 3 * paired(of_user[user], np.zeros(2000), np.arange(2000)).error


def test_what_is_the_same_in_both_has_no_error() -> None:
    values = np.arange(50.0)
    found = paired(values + 2, values, np.arange(50) % 7)
    assert (found.mean, found.error, found.low, found.high) == (2, 0, 2, 2)


def test_events_that_either_does_not_tell_of_are_left_out() -> None:
    first, second = np.array([1.0, np.nan, 3.0, 4.0]), np.array([0.0, 1.0, np.nan, 1.0])
    assert paired(first, second, np.zeros(4, dtype=np.int64)).mean == 2
    assert math.isnan(paired(first[1:3], second[1:3], np.zeros(2, dtype=np.int64)).mean)

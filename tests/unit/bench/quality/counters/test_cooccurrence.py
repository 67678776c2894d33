import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.quality.counters.cooccurrence import SuccessorCounts


@given(st.lists(st.integers(1, 9), min_size=2, max_size=60), st.integers(1, 12))
def test_rows_are_those_of_a_dense_table(items: list[int], window: int) -> None:
    sparse, dense = SuccessorCounts(window), np.zeros((10, 10))
    for index, item in enumerate(items):
        sparse.observe(items[:index], item)
        for lag in range(1, min(window, index) + 1):
            dense[items[index - lag], item] += 1 / lag
    for item in range(10):
        row = np.zeros(10)
        sparse.add_row(row, item, 3.0, 0.0)
        np.testing.assert_allclose(row, 3 * dense[item])


def test_a_row_is_scaled_by_its_total_to_a_power() -> None:
    successors = SuccessorCounts(window=1)
    for item in (2, 2, 2, 3):
        successors.observe([1], item)
    row = np.ones(5)
    successors.add_row(row, 1, 2.0, 0.5)
    np.testing.assert_allclose(row, [1, 1, 1 + 3 * 2 / 2, 1 + 1, 1])

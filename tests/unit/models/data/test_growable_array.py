import numpy as np

from models.data.growable_array import FIRST_ROWS, grown


def test_an_array_with_enough_rows_is_not_copied() -> None:
    array = np.ones(5)
    assert grown(array, 5) is array
    assert grown(array, 0) is array


def test_a_larger_array_keeps_its_rows_and_fills_the_new_ones() -> None:
    array = np.array([[1, 2], [3, 4]], dtype=np.int32)
    larger = grown(array, 3, fill=-1)
    assert larger.shape == (FIRST_ROWS, 2)
    assert larger.dtype == np.int32
    np.testing.assert_array_equal(larger[:2], array)
    assert (larger[2:] == -1).all()
    assert not grown(array, 3)[2:].any()


def test_sizes_double() -> None:
    assert len(grown(np.zeros(FIRST_ROWS), FIRST_ROWS + 1)) == 2 * FIRST_ROWS
    assert len(grown(np.zeros(FIRST_ROWS), 5 * FIRST_ROWS)) == 8 * FIRST_ROWS

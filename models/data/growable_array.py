"""Arrays with a row per item index, which grow by doubling as new items come."""

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

FIRST_ROWS: Final = 1024
"""Rows of such an array, at least"""

Number = TypeVar("Number", bound=np.generic)


def grown(array: NDArray[Number], rows: int, fill: Any = 0) -> NDArray[Number]:
    """The array itself if it has `rows` rows, else a copy that was doubled until it has; new rows hold `fill`."""
    if rows <= len(array):
        return array
    size = max(len(array), FIRST_ROWS)
    while size < rows:
        size *= 2
    # Zeros take no memory before they are written to.
    larger = np.zeros((size, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    if fill:
        larger[len(array) :] = fill
    return larger

"""Numbers of items as the network reads them: a feature vector, and named ones such as price, stock and rating.

    f = [clip((v - mean) / deviation) / sqrt(V); clip((s - mean) / deviation) / sqrt(S)],  s = sign(n) log(1 + |n|)

v is the vector of V numbers, n the S named ones, whose scales differ by powers of ten. Mean and deviation of each are
those over the items that were described, so that any unit will do; each block has a norm of about one, as a text
vector has. A number that is missing is zero, as the mean is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import grown

_LARGEST: Final = 4.0
"""Deviations from the mean: a mistaken number must not outweigh all others"""


class DescribedContent(NamedTuple):
    """What a catalog entry adds to an item's content."""

    text: NDArray[np.float16]
    """[W] text vector"""
    numbers: NDArray[np.float32]
    """[F] as in the catalog; NaN where missing"""


class NumericFeatures:
    """Numbers by item index; `rows` standardises them by what `update_scale` has found."""

    def __init__(self, vector_width: int, names: Sequence[str]) -> None:
        self._vector_width = vector_width
        self._names = tuple(names)
        self.width = vector_width + len(self._names)
        """F"""
        self._numbers = np.zeros((1, self.width), np.float32)  # transformed; 0 where unknown
        self._known = np.zeros((1, self.width), np.bool_)
        self._mean = np.zeros(self.width, np.float32)
        block = np.repeat([max(vector_width, 1), max(len(self._names), 1)], [vector_width, len(self._names)])
        self._norm = np.sqrt(block).astype(np.float32)  # [F] of the block that each belongs to
        self._scale = np.zeros(self.width, np.float32)  # 0: no item has it, or all have the same

    def vector(self, features: Sequence[float], numbers: Mapping[str, float]) -> tuple[float, ...]:
        """The numbers of one item in order, NaN where missing; empty where it has none that are read."""
        if not self.width or not (features or numbers):
            return ()
        first = tuple(features[: self._vector_width])
        padding = (float("nan"),) * (self._vector_width - len(first))
        return (*first, *padding, *(numbers.get(name, float("nan")) for name in self._names))

    def put(self, item: NDArray[np.int64], numbers: NDArray[np.float32]) -> None:
        """Replace the numbers [n, F] of these items, as `vector` and `get` have them."""
        if not self.width:
            return
        rows = int(item.max(initial=0)) + 1
        self._numbers, self._known = grown(self._numbers, rows), grown(self._known, rows)
        known = np.isfinite(numbers)
        values = np.where(known, numbers, 0)
        named = values[:, self._vector_width :]
        named[:] = np.sign(named) * np.log1p(np.abs(named))
        self._numbers[item], self._known[item] = values, known

    def get(self, item: int) -> NDArray[np.float32]:
        """[F] the item's numbers, NaN where missing."""
        if item >= len(self._numbers):
            return np.full(self.width, np.nan, np.float32)
        numbers = np.where(self._known[item], self._numbers[item], np.nan).astype(np.float32)
        named = numbers[self._vector_width :]
        named[:] = np.sign(named) * np.expm1(np.abs(named))
        return numbers

    def clear(self, item: int) -> None:
        """The item has no numbers any more."""
        if item < len(self._known):
            self._numbers[item], self._known[item] = 0, False

    def update_scale(self) -> None:
        """Mean and deviation anew, of the numbers that the items have now."""
        count = self._known.sum(0)  # [F]
        total = np.zeros(self.width), np.zeros(self.width)
        for low in range(0, len(self._numbers), 8192):
            block = self._numbers[low : low + 8192].astype(np.float64)  # unknown ones are 0
            total[0][:] += block.sum(0)
            total[1][:] += (block**2).sum(0)
        mean = total[0] / count.clip(min=1)
        variance = total[1] / count.clip(min=1) - mean**2
        varies = variance > 1e-9 * np.maximum(mean**2, 1e-12)
        self._mean = mean.astype(np.float32)
        self._scale = np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1)), 0).astype(np.float32)

    def rows(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, F] of these items; zero where nothing is known."""
        known = np.where(item < len(self._numbers), item, 0)
        deviation = (self._numbers[known] - self._mean) * self._scale
        clipped: NDArray[Any] = np.clip(deviation, -_LARGEST, _LARGEST) / self._norm
        return np.where(self._known[known], clipped, 0).astype(np.float32)

"""Running mean and deviation of a network's inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.policy.slate import FloatArray

_MIN_DEVIATION = 1e-3
_LIMIT = 5.0


class InputScaling:
    """Brings inputs [..., I] to mean 0 and deviation 1, by those seen so far."""

    def __init__(self, inputs: int) -> None:
        self.sums = np.zeros((3, inputs))
        """Number, sum and sum of squares"""

    def observe(self, values: FloatArray) -> None:
        """Count these inputs [..., I]."""
        rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
        self.sums += np.stack([np.full(rows.shape[1], len(rows)), rows.sum(0), np.square(rows).sum(0)])

    def scaled(self, values: FloatArray) -> NDArray[np.float32]:
        """The inputs [..., I] less the mean, by the deviation, at most 5 from 0."""
        count = np.maximum(self.sums[0], 1)
        mean = self.sums[1] / count
        deviation = np.sqrt(np.maximum(self.sums[2] / count - np.square(mean), 0))
        scale = np.where(deviation > _MIN_DEVIATION, 1 / np.maximum(deviation, _MIN_DEVIATION), 0.0)
        scaled = np.clip((values - mean) * scale, -_LIMIT, _LIMIT)
        return np.asarray(scaled, np.float32)

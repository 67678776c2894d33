"""Rolling quality: means of recall, MRR and log-loss over the events that were scored last."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.metrics.prequential_sample import PrequentialSample

WINDOW = 2_000
TOP = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """How well some events were predicted. NaN where there are none."""

    recall_at_10: float
    """Share of events whose item was among the first ten"""
    mrr: float
    """Mean of 1 / rank, 0 where the item could not be predicted"""
    log_loss: float
    """Mean negative log-probability in nats, over the events whose item could be predicted"""

    @classmethod
    def of(cls, rank: NDArray[np.float64], log_p: NDArray[np.float64]) -> "Quality":
        """The means over these events."""
        return cls(_mean(rank <= TOP), _mean(1 / rank), _mean(-log_p[np.isfinite(log_p)]))


class RollingQuality:
    """Quality of the predictions, and of decayed popularity beside them, over the last scored events."""

    def __init__(self, window: int = WINDOW) -> None:
        self.scored = 0
        """Events scored since the beginning"""
        self._window = window
        self._last = np.zeros((4, 0))  # rank and log p of the predictions, then of popularity

    def add(self, sample: PrequentialSample) -> None:
        """Append newly scored events."""
        new = np.stack([sample.rank, sample.log_p, sample.popular_rank, sample.popular_log_p])  # [4, n]
        self._last = np.concatenate([self._last, new], axis=1)[:, -self._window :]
        self.scored += len(sample.event)

    @property
    def window(self) -> int:
        """Number of events that the means are over."""
        return self._last.shape[1]

    @property
    def possible(self) -> int:
        """Number of those whose item could be predicted."""
        return int(np.isfinite(self._last[0]).sum())

    @property
    def model(self) -> Quality:
        """Of the predictions."""
        return Quality.of(*self._last[:2])

    @property
    def popularity(self) -> Quality:
        """Of decayed popularity."""
        return Quality.of(*self._last[2:])


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")

"""How well predictions foresaw what came."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scores:
    """For each of n events, what had been said of it right before. NaN throughout where the event has no item."""

    rank: NDArray[np.float64]
    """[n] of the item, from 1, ties by their mean; infinite where it could not be predicted"""
    log_p: NDArray[np.float64]
    """[n] logarithm of the item's probability; -inf where it could not be predicted"""
    top1_p: NDArray[np.float64]
    """[n] probability of the most probable item"""
    top1_hit: NDArray[np.float64]
    """[n] 1 where that item came, else 0"""

"""Prequential sample: some events of a batch, scored before anything is learnt from the batch.

Decayed popularity is scored on the same events, before it counts them, and among the same candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch

_STRIDE = 4
"""At most one of so many events: scoring an event costs as much as predicting a user's next"""

_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 / golden ratio: Fibonacci hashing, which spreads consecutive numbers evenly"""


@dataclass(frozen=True, slots=True)
class PrequentialSample:
    """Ranks and log-probabilities of n events' items. An item that never came before could not be predicted."""

    event: NDArray[np.int64]
    """[n] index in the batch"""
    rank: NDArray[np.float64]
    """[n] of the item, from 1, ties by their mean; infinite where it could not be predicted"""
    log_p: NDArray[np.float64]
    """[n] logarithm of the item's probability; -inf where it could not be predicted"""
    popular_rank: NDArray[np.float64]
    """[n] rank by decayed popularity"""
    popular_log_p: NDArray[np.float64]
    """[n] log-probability by decayed popularity"""

    @classmethod
    def all_missed(cls, event: NDArray[np.int64]) -> "PrequentialSample":
        """A sample in which no item could be predicted; the caller fills in those that could."""
        rank, log_p = np.full(len(event), np.inf), np.full(len(event), -np.inf)
        return cls(event, rank, log_p, rank.copy(), log_p.copy())


def draw_events(batch: EventBatch, limit: int) -> NDArray[np.int64]:
    """Indices of a quarter of the batch, at most `limit`, spread evenly over the events that have an item.

    Each of these is as likely as any other, whatever its user and item; the same batch always gives the same ones.
    """
    event = np.flatnonzero(batch.item > 0)
    count = min(limit, -(-len(batch) // _STRIDE), len(event))
    if not count:
        return event[:0]
    start = ((int(batch.time_ms.sum()) * _GOLDEN % 2**64) * len(event)) >> 64
    return event[(np.arange(count) * len(event) + start) // count]

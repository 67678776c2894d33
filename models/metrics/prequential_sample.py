"""Some of a batch's events: what was said of them before anything was learnt from the batch.

Decayed popularity is asked the same, of the same events, before it counts them, and among the same items.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch

_STRIDE = 4
"""At most one of so many events: scoring an event costs as much as predicting a user's next"""

_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, which spreads whatever it multiplies"""


@dataclass(frozen=True, slots=True)
class PrequentialSample:
    """The places of n events' items. An item that was never met before could not be predicted."""

    event: NDArray[np.int64]
    """[n] index in the batch"""
    rank: NDArray[np.float64]
    """[n] of the item, from 1, ties by their mean; infinite where it could not be predicted"""
    log_p: NDArray[np.float64]
    """[n] logarithm of the item's probability; -inf where it could not be predicted"""
    popular_rank: NDArray[np.float64]
    """[n] by decayed popularity"""
    popular_log_p: NDArray[np.float64]
    """[n] by decayed popularity"""

    @classmethod
    def all_missed(cls, event: NDArray[np.int64]) -> "PrequentialSample":
        """As if none of the items could be predicted, to be filled with the others."""
        rank, log_p = np.full(len(event), np.inf), np.full(len(event), -np.inf)
        return cls(event, rank, log_p, rank.copy(), log_p.copy())


def draw_events(batch: EventBatch, most: int) -> NDArray[np.int64]:
    """Indices of a quarter of the batch, at most `most`, spread over the events that have an item.

    Each of these is as likely as any other, whoever's and whatever it is; a batch that comes again is drawn alike.
    """
    event = np.flatnonzero(batch.item > 0)
    count = min(most, -(-len(batch) // _STRIDE), len(event))
    if not count:
        return event[:0]
    start = ((int(batch.time_ms.sum()) * _GOLDEN % 2**64) * len(event)) >> 64
    return event[(np.arange(count) * len(event) + start) // count]

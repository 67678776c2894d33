"""How much an event of a user may change what all users share: the weights of the network, counts, the gate.

Whoever sends faster than people do, or one item again and again, has little influence: a user's flood does not move the
model. It follows from the user's own row alone (the items and gaps of the last events), so that whoever reads the row
finds the same.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig
from models.data.user_state import GAP_BUCKETS, Windows

INFLUENCE_EVENTS: Final = 25
"""An event's influence follows from it and the events before it, so many in all: half of a row's by default"""

# Of logs of people, the fastest 25 events in a row took 43 s (MovieLens 100K) and 83 s (Wikipedia).

_SECONDS: Final = np.maximum(0.75 * 2.0 ** np.arange(GAP_BUCKETS) - 1, 0)
"""The middle of each bucket of gaps: b has those from 2^(b - 1) - 1 to 2^b - 1 seconds"""


@dataclass(frozen=True, slots=True)
class InfluenceLimits:
    """From when on events have less influence; by default never."""

    min_window_s: float = 0.0
    """Seconds that INFLUENCE_EVENTS events of a user take at least; none has influence where they take half of it"""
    max_repeats: int = 0
    """Times that one item may be among them; 0: any number"""

    @staticmethod
    def of(config: LearnerConfig) -> "InfluenceLimits":
        """Those of the settings."""
        return InfluenceLimits(config.min_window_s, config.max_repeats)

    def of_predictions(self, allow_repeats: bool) -> "InfluenceLimits":
        """Those for what learns how probable an event was: the network and the gate.

        Where repeats are allowed, their number is no limit there: how often users repeat an item is to be learnt, and
        the copy path and the expert of repeats learn it without making the item more probable for others.
        """
        return replace(self, max_repeats=0) if allow_repeats else self


NO_LIMITS: Final = InfluenceLimits()


def event_influence(
    item: NDArray[np.int64],
    items: NDArray[np.int64],
    gaps: NDArray[np.int64],
    held: NDArray[np.int64],
    limits: InfluenceLimits,
) -> NDArray[np.float32]:
    """[n] from 0 to 1 for events of these items [n].

    `items` and `gaps` [n, INFLUENCE_EVENTS] are those of the events that each is judged by, newest first, of which
    `held` [n] are there.
    """
    influence = np.ones(len(item), np.float32)
    if limits.max_repeats:
        times = ((items == item[:, None]) & (np.arange(INFLUENCE_EVENTS) < held[:, None])).sum(1)
        # To the third power: a flood of one item has a hundredth of its influence.
        share = np.minimum(limits.max_repeats / np.maximum(times, 1), 1) ** 3
        influence *= np.where(item > 0, share, 1).astype(np.float32)
    if limits.min_window_s > 0:
        share = np.clip(2 * _SECONDS[gaps[:, :-1]].sum(1) / limits.min_window_s - 1, 0, 1)
        influence *= np.where(held == INFLUENCE_EVENTS, share, 1).astype(np.float32)
    return influence


def newest_influence(windows: Windows, limits: InfluenceLimits) -> NDArray[np.float32]:
    """[P] of the newest event of each window."""
    item, gap = (_widened(array[:, :INFLUENCE_EVENTS]) for array in (windows.item, windows.features.gap))
    held = windows.valid[:, :INFLUENCE_EVENTS].sum(1)
    return event_influence(item[:, 0], item, gap, held, limits)


def judged_by(event: NDArray[np.int64], length: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which [n, INFLUENCE_EVENTS] of a user's `length` [n] stored events, from the oldest on, judge an `event` [n].

    The event and those before it; the oldest ones are judged by the first INFLUENCE_EVENTS together. Newest first, and
    how many [n] are there; 0 stands for the others.
    """
    last = np.maximum(event, np.minimum(length, INFLUENCE_EVENTS) - 1)
    column = last[:, None] - np.arange(INFLUENCE_EVENTS)
    return np.maximum(column, 0), np.minimum(last + 1, INFLUENCE_EVENTS)


def _widened(array: NDArray[np.int64]) -> NDArray[np.int64]:
    """[P, INFLUENCE_EVENTS] with zeros behind, where a row holds fewer events."""
    return np.pad(array, ((0, 0), (0, INFLUENCE_EVENTS - array.shape[1])))

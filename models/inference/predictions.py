"""Predictions of one micro-batch as arrays: top items and categories with probabilities, and their attribution."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.horizons.horizon_days import HORIZON_DAYS

CARRIERS: Final = ("attention", "copying", "following", "popularity")
"""What a prediction can come from: the network's state and attention over the user's events; repeats of the user's
items, by the network's copying and by the expert `repeat`; what followed such items before, for any user; popularity"""


class ModelVersion(NamedTuple):
    """Which weights: their lineage (network/weights.py), and their number in it."""

    lineage: int
    version: int

    def __str__(self) -> str:
        return f"{self.lineage:08x}.{self.version}"


@dataclass(frozen=True, slots=True)
class InterestParts:
    """The two vectors whose sum is a user's interest vector."""

    short_term: NDArray[np.float32]
    """[P, D] of the recurrent state, attention and last event"""
    long_term: NDArray[np.float32]
    """[P, D] of the last events as a set (network/long_term.py)"""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of U users, for H horizons."""

    return_p: NDArray[np.float32]
    """[U, H] probability of at least one event within the horizon; does not fall from one horizon to the next"""
    item: NDArray[np.int64]
    """[U, H, k] items of the events to come, by falling probability; 0 where there are fewer"""
    item_p: NDArray[np.float32]
    """[U, H, k] share that the item will have in these events, given that there are any"""
    category: NDArray[np.int64]
    """[U, H, m] likewise of categories (indices as in `Predictions.category`); -1 where there are fewer"""
    category_p: NDArray[np.float32]
    """[U, H, m]"""
    days: tuple[int, ...] = HORIZON_DAYS
    """The horizons"""
    type_p: NDArray[np.float32] | None = None
    """[U, H, T] probability of an event of each of EVENT_TYPES within the horizon; 0 of types that never came"""
    spent: NDArray[np.float32] | None = None
    """[U, H] expected sum of the values of purchases within the horizon"""

    def __len__(self) -> int:
        return len(self.return_p)


@dataclass(frozen=True, slots=True)
class Predictions:
    """P distributions over the items, cut to the k most probable, with categories and attribution. Always finite."""

    event: NDArray[np.int64]
    """[P] index into the EventBatch of the event after which it is made"""
    item: NDArray[np.int64]
    """[P, k] by falling probability; 0 where fewer than k items may be predicted (probability 0 there)"""
    item_p: NDArray[np.float32]
    """[P, k]"""
    other_p: NDArray[np.float32]
    """[P] probability of all other items: 1 - Σ item_p"""
    category: NDArray[np.int64]
    """[P, m] by falling probability; -1 where fewer than m categories have any"""
    category_p: NDArray[np.float32]
    """[P, m] probability that the next item is of the category; an item's own is split over its categories"""
    because: NDArray[np.int64]
    """[P, b] items of the user's last events that the prediction comes from, largest share first; 0 pads"""
    because_weight: NDArray[np.float32]
    """[P, b] their shares in the most probable item's probability (attribution.py); the rest of 1 is that of popularity
    and of the user's other events"""
    carried_by: NDArray[np.float32]
    """[P, 4] shares of the CARRIERS in it; they sum to 1, or are 0 where there is no item"""
    model_version: ModelVersion
    parts: InterestParts | None = None
    """None in a network without long-term interest"""
    outlook: Outlook | None = None
    """Of the users, right after their last events; None where `model.horizons` is off"""
    outlook_row: NDArray[np.int64] | None = None
    """[P] row in it; -1 of predictions that are not after their user's last event"""

    def __len__(self) -> int:
        return len(self.event)

"""The interest distributions that one step predicts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class InterestParts:
    """What the users' interest vectors are the sums of."""

    short_term: NDArray[np.float32]
    """[P, D] of the recurrent state, attention and last event"""
    long_term: NDArray[np.float32]
    """[P, D] of the last events as a set"""


@dataclass(frozen=True, slots=True)
class Predictions:
    """P distributions over the items, cut to the k most probable, with categories and reasons. Always finite."""

    event: NDArray[np.int64]
    """[P] index into the EventBatch of the event that caused it"""
    item: NDArray[np.int64]
    """[P, k] by falling probability; 0 where fewer than k items may be predicted (probability 0 there)"""
    item_p: NDArray[np.float32]
    """[P, k]"""
    other_p: NDArray[np.float32]
    """[P] what is left: item_p summed, plus other_p, is 1"""
    category: NDArray[np.int64]
    """[P, m] by falling probability; -1 where fewer than m categories have any"""
    category_p: NDArray[np.float32]
    """[P, m] probability that the next item is of the category; an item's own is split over its categories"""
    because: NDArray[np.int64]
    """[P, b] items of the user's last events that carried the prediction, heaviest first; 0 pads"""
    because_weight: NDArray[np.float32]
    """[P, b] their shares in the most probable item (explanation.py); what is left to 1 is others' or popularity's"""
    model_version: int
    parts: InterestParts | None = None
    """Where the network keeps short and long term apart"""

    def __len__(self) -> int:
        return len(self.event)

"""The interest distributions that one step predicts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CARRIERS: Final = ("attention", "copying", "following", "popularity")
"""What can carry a prediction: the network by what it reads in the user's events; that items come back, by its copying
and by recency; what followed such items before, whoever had them; what is popular, whoever the user"""


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
    """[P, b] their shares in the most probable item (explanation.py); with popularity's and that of the user's other
    events, which is what is left, 1"""
    carried_by: NDArray[np.float32]
    """[P, 4] shares of the CARRIERS in it; they sum to 1, or are 0 where there is no item"""
    model_version: int
    parts: InterestParts | None = None
    """Where the network keeps short and long term apart"""

    def __len__(self) -> int:
        return len(self.event)

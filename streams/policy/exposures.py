"""How often users saw each category lately, by the decisions that this process has made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.policy.features import exposed
from streams.policy.features import CATEGORY_BUCKETS

MAX_USERS: Final = 100_000


class Exposures:
    """By a hash of the user, in memory alone: about 300 bytes each, those who had no decision for longest go first.

    After a start, or where another process decided before, they count from nothing; what they were is in the features
    of every decision. A step that is taken again after a failed transaction counts again.
    """

    def __init__(self, examination: Sequence[float] = (), max_users: int = MAX_USERS) -> None:
        """`examination`: how often users look at each place, as `policy.examination` has it."""
        self._examination = np.array(tuple(examination) or (1.0,))
        self._max_users = max_users
        self._recent: OrderedDict[bytes, NDArray[np.float64]] = OrderedDict()

    def of(self, user_id: str) -> NDArray[np.float64]:
        """[CATEGORY_BUCKETS] recent exposures of the user before the next decision."""
        return self._recent.get(_key(user_id), np.zeros(CATEGORY_BUCKETS))

    def add(self, user_id: str, category: NDArray[np.int64]) -> None:
        """A decision showed items of these categories [K] to the user, -1 where an item has none."""
        places = np.minimum(np.arange(len(category)), len(self._examination) - 1)
        bucket = np.where(category >= 0, category % CATEGORY_BUCKETS, -1)
        key = _key(user_id)
        before = self._recent.pop(key, np.zeros(CATEGORY_BUCKETS))
        self._recent[key] = np.asarray(exposed(before[None], bucket[None], self._examination[places][None])[0])
        if len(self._recent) > self._max_users:
            self._recent.popitem(last=False)

    def forget(self, user_id: str) -> None:
        """The user counts from nothing."""
        self._recent.pop(_key(user_id), None)


def _key(user_id: str) -> bytes:
    return blake2b(user_id.encode(), digest_size=8).digest()

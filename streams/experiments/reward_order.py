"""Rewards of a partition in the order of their decisions, each once.

A decision whose feedback ends the wait is closed early, one without feedback only at the horizon. Counted as they come,
the first rewards would be clicks, and misses come later: so each waits until decisions of its time are closed by the
horizon. How long that is, the rewards themselves say.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from streams.schema.decisions.reward import Reward

_KNOWN_IDS: Final = 50_000
_FIRST_HORIZON_MS: Final = 3_600_000
_MOST_REWARD: Final = 1e6  # as policies learn from: the square of a larger one hides all others
_MOST_AHEAD_MS: Final = 86_400_000


def order_key(reward: Reward) -> tuple[int, str]:
    """By the time of the decision; of decisions of one millisecond, in whatever partitions, by their ids."""
    return reward.time, reward.decision_id


def is_countable(reward: Reward, written_ms: int) -> bool:
    """Whether the reward, in a record of this time, can be one; other programs may write what is none.

    One of the far future would close all decisions until then, one that is huge would leave no other mean than its own.
    """
    is_past = reward.time >= 0 and max(reward.time, reward.closed_at) <= written_ms + _MOST_AHEAD_MS
    return is_past and -_MOST_REWARD <= reward.reward <= _MOST_REWARD


class Horizon:
    """How long decisions wait for feedback: as the newest reward that was closed by it has it, an hour before that."""

    def __init__(self) -> None:
        self.ms = _FIRST_HORIZON_MS

    def observe(self, reward: Reward) -> None:
        """A reward has come."""
        if reward.closed == "horizon":
            self.ms = max(0, reward.closed_at - reward.time)


class RewardOrder:
    """Of one partition.

    The topic holds the reward of a decision once; of one that it held twice, the second is dropped where not more than
    50 000 others lie between.
    """

    def __init__(self) -> None:
        self.closed_ms = 0
        """Rewards of decisions before then have all been added"""
        self._waiting: list[tuple[tuple[int, str], int, Reward]] = []
        self._added = 0
        self._known: OrderedDict[str, None] = OrderedDict()
        self.repeated = 0
        """Rewards that were dropped"""

    def add(self, reward: Reward) -> None:
        """The next record of the partition."""
        if reward.decision_id in self._known:
            self.repeated += 1
            return
        self._known[reward.decision_id] = None
        if len(self._known) > _KNOWN_IDS:
            self._known.popitem(last=False)
        self._added += 1
        heapq.heappush(self._waiting, (order_key(reward), self._added, reward))
        if reward.closed == "horizon":
            self.close(reward.time)

    def close(self, time_ms: int) -> None:
        """All rewards of decisions before then have been added."""
        self.closed_ms = max(self.closed_ms, time_ms)

    def due(self, until_ms: float = math.inf) -> Iterator[Reward]:
        """The rewards of decisions that are closed, and older, by their `order_key`; each is handed out once."""
        until_ms = min(until_ms, self.closed_ms)
        while self._waiting and self._waiting[0][2].time < until_ms:
            yield heapq.heappop(self._waiting)[2]

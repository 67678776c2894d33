"""Baseline: the rewards of each user so far, by which experiments that the user enters later are made more precise."""

from __future__ import annotations

import numpy as np

from models.data.growable_array import FIRST_ROWS, grown
from streams.schema.decisions.reward import Reward


class Baseline:
    """Decisions and reward of each user. Memory: about 150 bytes per user."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._sums = np.zeros((FIRST_ROWS, 2))  # decisions, reward
        self._total = np.zeros(2)

    def add(self, reward: Reward) -> None:
        """Counts a decision."""
        index = self._index.setdefault(reward.user_id, len(self._index))
        self._sums = grown(self._sums, index + 1)
        row = (1.0, reward.reward)
        self._sums[index] += row
        self._total += row

    def covariate(self, user_id: str) -> float:
        """How much more the user's decisions earned than others', shrunk towards 0, which is that of a new user."""
        if (index := self._index.get(user_id)) is None:
            return 0.0
        decisions, reward = self._sums[index]
        mean = self._total[1] / self._total[0]
        return float((reward - mean * decisions) / (decisions + 1))

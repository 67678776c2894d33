"""Replay buffer: the last decisions, each linked with the next one of its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.policy.slate import BoolArray, FloatArray, IntArray

_NONE = -1


@dataclass(frozen=True, slots=True)
class StoredDecisions:
    """n decisions of the buffer."""

    context: FloatArray  # [n, S]
    items: IntArray  # [n, K] -1 where there is none
    category: IntArray  # [n, K] likewise
    interest: FloatArray  # [n, K]
    features: FloatArray  # [n, K, F]
    rewards: FloatArray  # [n, K]
    weight: FloatArray  # [n]


class ReplayBuffer:
    """Ring of decisions. A decision can be learnt from once the next one of its user is there."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._added = 0
        self._columns: dict[str, NDArray[Any]] = {}
        self._next = np.full(capacity, _NONE)  # number of the user's next decision, by row
        self._last: dict[int, int] = {}  # number of the user's last decision

    def __len__(self) -> int:
        return min(self._added, self._capacity)

    def add(self, users: IntArray, decisions: StoredDecisions) -> None:
        """Add decisions in order of time."""
        if not self._columns:
            for name in StoredDecisions.__slots__:
                column = getattr(decisions, name)
                kind = np.int64 if name in ("items", "category") else np.float32
                self._columns[name] = np.zeros((self._capacity, *column.shape[1:]), kind)
        for low in range(0, len(users), self._capacity):
            self._add(users[low : low + self._capacity], decisions, low)

    def sample(self, count: int, steps: int, random: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
        """Rows [n] of decisions, the rows [n, steps] of the decisions after them, and how many of these there are [n].

        n is less than `count` where few decisions have a next one; 0 at first.
        """
        if not len(self):
            return np.zeros(0, np.int64), np.zeros((0, steps), np.int64), np.zeros(0, np.int64)
        rows = random.integers(0, len(self), count)
        rows = rows[self._has_next(rows)]
        path = np.zeros((len(rows), steps), np.int64)
        known = np.zeros(len(rows), np.int64)
        current, going = rows.copy(), np.ones(len(rows), np.bool_)
        for step in range(steps):
            going &= self._has_next(current)
            current = np.where(going, self._next[current] % self._capacity, current)
            path[:, step] = current
            known += going
        return rows, path, known

    def decisions(self, rows: IntArray) -> StoredDecisions:
        """The decisions of these rows."""
        return StoredDecisions(*(self._columns[name][rows] for name in StoredDecisions.__slots__))

    def _has_next(self, rows: IntArray) -> BoolArray:
        return np.asarray(self._next[rows] != _NONE)

    def _add(self, users: IntArray, decisions: StoredDecisions, low: int) -> None:
        numbers = self._added + np.arange(len(users))
        rows = numbers % self._capacity
        for name, column in self._columns.items():
            column[rows] = getattr(decisions, name)[low : low + len(users)]
        self._next[rows] = _NONE
        oldest = self._added + len(users) - self._capacity
        for user, number in zip(users.tolist(), numbers.tolist(), strict=True):
            before = self._last.get(user, _NONE)
            if before >= max(oldest, 0):
                self._next[before % self._capacity] = number
            self._last[user] = number
        self._added += len(users)
        if len(self._last) > 2 * self._capacity:
            self._last = {user: number for user, number in self._last.items() if number >= oldest}

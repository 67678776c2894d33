"""Users whose interest over the next horizons is to be learnt: rows as they were, and the items that came since."""

from collections import deque
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.horizons import HORIZON_S

MAX_SCORED: Final = 64
"""Events that are scored at once, at most: a random part of those that come"""


@dataclass(frozen=True, slots=True)
class ScoredParts:
    """m parts of soft labels: an item, or one of its categories, and what each component gave it."""

    query: NDArray[np.int64]
    """[m] among those asked at the same time"""
    after_s: NDArray[np.float64]
    """[m] how long after the question the event came"""
    features: NDArray[np.float64]
    """[m, F] of the gate"""
    component_p: NDArray[np.float64]
    """[m, E]"""
    weight: NDArray[np.float64]
    """[m] share of the event: an item is all of it, a category the part that the item has of it"""

    def __len__(self) -> int:
        return len(self.query)

    def __getitem__(self, rows: Any) -> "ScoredParts":
        return ScoredParts(*(getattr(self, part.name)[rows] for part in fields(self)))

    @staticmethod
    def concatenate(parts: "list[ScoredParts]") -> "ScoredParts":
        """All parts, one after the other."""
        return ScoredParts(
            *(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(ScoredParts))
        )


@dataclass(slots=True)
class AskedRows:
    """Users asked about at one time."""

    time_ms: int
    user: NDArray[np.uint32]
    rows: NDArray[np.void]
    parts: tuple[list[ScoredParts], ...] = field(default_factory=lambda: ([], []))
    """Of items, and of categories"""
    learnt: int = 0
    """Horizons that have passed"""


@dataclass(frozen=True, slots=True)
class DueInterest:
    """Soft labels of one horizon, of the users who returned within it."""

    kind: int
    horizon: int
    parts: ScoredParts
    """Their weights sum to one for each user"""


class InterestQueries:
    """Questions in order of time, until their longest horizon has passed."""

    def __init__(self) -> None:
        self._asked: deque[AskedRows] = deque()

    def __len__(self) -> int:
        return sum(len(asked.user) for asked in self._asked)

    def add(self, time_ms: int, user: NDArray[np.uint32], rows: NDArray[np.void]) -> None:
        """Ask about these users, whose rows are so now."""
        if len(user):
            self._asked.append(AskedRows(time_ms, user, rows))

    def waiting_for(
        self, users: NDArray[np.uint32], time_ms: NDArray[np.int64], random: np.random.Generator
    ) -> list[tuple[AskedRows, NDArray[np.int64], NDArray[np.int64]]]:
        """Questions about users [n] who have events at these times [n]: the query and the event of each pair.

        Of events within the longest horizon alone; at most MAX_SCORED pairs, drawn at random.
        """
        matches = []
        for asked in self._asked:
            query, event = np.nonzero(asked.user[:, None] == users)
            after_s = (time_ms[event] - asked.time_ms) / 1000
            within = (after_s > 0) & (after_s <= HORIZON_S[-1])
            matches.append((query[within], event[within]))
        total = sum(len(query) for query, _ in matches)
        kept = np.zeros(total, np.bool_)
        kept[random.choice(total, min(total, MAX_SCORED), replace=False) if total else []] = True
        scored, low = [], 0
        for asked, (query, event) in zip(self._asked, matches, strict=True):
            part = kept[low : low + len(query)]
            low += len(query)
            if part.any():
                scored.append((asked, query[part], event[part]))
        return scored

    def take_due(self, clock_ms: int) -> list[DueInterest]:
        """Soft labels whose horizon has passed since the last call."""
        due = []
        for asked in self._asked:
            passed_s = (clock_ms - asked.time_ms) / 1000
            while asked.learnt < len(HORIZON_S) and passed_s > HORIZON_S[asked.learnt]:
                for kind, parts in enumerate(asked.parts):
                    if parts and (label := _within(ScoredParts.concatenate(parts), HORIZON_S[asked.learnt])):
                        due.append(DueInterest(kind, asked.learnt, label))
                asked.learnt += 1
        while self._asked and self._asked[0].learnt == len(HORIZON_S):
            self._asked.popleft()
        return due

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop the questions about these users; what their events were stays part of others' labels alone."""
        for asked in self._asked:
            gone = np.isin(asked.user, users)
            asked.user[gone] = 0
            asked.rows[gone] = np.zeros(1, asked.rows.dtype)
            for number, parts in enumerate(asked.parts):
                kept = [part[~gone[part.query]] for part in parts]
                asked.parts[number][:] = [part for part in kept if len(part)]

    def forget_items(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item."""
        for asked in self._asked:
            ring = asked.rows["ring_item"]
            ring[np.isin(ring, gone)] = 0


def _within(parts: ScoredParts, horizon_s: float) -> ScoredParts | None:
    """Of the events within a horizon, each user's weighing one together; None without any."""
    parts = parts[parts.after_s <= horizon_s]
    if not len(parts):
        return None
    total = np.bincount(parts.query, parts.weight)
    return replace(parts, weight=parts.weight / np.maximum(total[parts.query], 1e-12))

"""Users whose interest over the next horizons is to be learnt: rows as they were, and the items that came since."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.horizons.horizon_days import HORIZON_S

MAX_SCORED: Final = 64
"""Events that are scored at once, at most: a random part of those that come"""

MAX_PARTS: Final = (512, 1024)
"""Of items, and of categories, that wait for the labels of users asked about at one time: beyond, a random half goes"""

_ITEM_PARTS, _CATEGORY_PARTS = "items.", "categories."
_NUMBER_TYPES: Final = {"query": np.int32, "after_s": np.float32, "weight": np.float32}


@dataclass(frozen=True, slots=True)
class ScoredParts:
    """m parts of soft labels: an item, or one of its categories, and what each component gave it."""

    query: NDArray[Any]
    """[m] among those asked at the same time"""
    after_s: NDArray[Any]
    """[m] how long after the question the event came"""
    features: NDArray[Any]
    """[m, F] of the gate"""
    component_p: NDArray[Any]
    """[m, E]"""
    weight: NDArray[Any]
    """[m] share of the event: an item is all of it, a category the part that the item has of it"""

    def __len__(self) -> int:
        return len(self.query)

    def __getitem__(self, rows: Any) -> "ScoredParts":
        return ScoredParts(*(getattr(self, part.name)[rows] for part in fields(self)))

    def in_single_precision(self) -> "ScoredParts":
        """As they wait, and lie in checkpoints: half as large."""
        return ScoredParts(
            *(
                getattr(self, part.name).astype(_NUMBER_TYPES.get(part.name, np.float32), copy=False)
                for part in fields(self)
            )
        )

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
    kept_share: list[float] = field(default_factory=lambda: [1.0, 1.0])
    """Of the parts that came, by kind: a random one"""

    def put(self, kind: int, parts: ScoredParts, random: np.random.Generator) -> None:
        """Parts of items (0) or categories (1) of events that came; as many are kept as there is room for."""
        if self.kept_share[kind] < 1:
            parts = parts[random.random(len(parts)) < self.kept_share[kind]]
        held = self.parts[kind]
        held.append(parts.in_single_precision())
        while sum(map(len, held)) > MAX_PARTS[kind]:
            every = ScoredParts.concatenate(held)
            held[:] = [every[random.random(len(every)) < 0.5]]
            self.kept_share[kind] /= 2


@dataclass(frozen=True, slots=True)
class DueInterest:
    """Soft labels of one horizon, of the users who returned within it."""

    kind: int
    horizon: int
    parts: ScoredParts
    """Every event weighs alike: for a list of all that will come, frequent users count more"""


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

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of everything; nothing where no question waits."""
        if not self._asked:
            return {}
        asked = list(self._asked)
        rows = np.concatenate([one.rows for one in asked])
        state: dict[str, NDArray[Any]] = {
            "rows": rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize),
            "users": np.concatenate([one.user for one in asked]).view(np.int32),
            "count": np.array([len(one.user) for one in asked]),
            "time_ms": np.array([one.time_ms for one in asked]),
            "learnt": np.array([one.learnt for one in asked]),
            "kept_share": np.array([one.kept_share for one in asked]),
        }
        for kind, prefix in enumerate((_ITEM_PARTS, _CATEGORY_PARTS)):
            held = [(number, part) for number, one in enumerate(asked) for part in one.parts[kind]]
            if held:
                parts = ScoredParts.concatenate([part for _, part in held])
                state |= {prefix + column.name: getattr(parts, column.name) for column in fields(parts)}
                state[f"{prefix}asked"] = np.repeat([number for number, _ in held], [len(part) for _, part in held])
        return state

    def restore(
        self, state: Mapping[str, NDArray[Any]], row_dtype: np.dtype[np.void], features: int, components: int
    ) -> None:
        """Go on from `state`; nothing where rows are not of this type, or parts have other features or components."""
        if "rows" not in state or state["rows"].shape[1] != row_dtype.itemsize:
            return
        rows = np.ascontiguousarray(state["rows"]).view(row_dtype)[:, 0]
        users, ends = state["users"].view(np.uint32), np.cumsum(state["count"])
        asked = [
            AskedRows(int(time_ms), users[low:high].copy(), rows[low:high].copy(), learnt=int(learnt), kept_share=share)
            for time_ms, low, high, learnt, share in zip(
                state["time_ms"],
                ends - state["count"],
                ends,
                state["learnt"],
                state["kept_share"].tolist(),
                strict=True,
            )
        ]
        for kind, prefix in enumerate((_ITEM_PARTS, _CATEGORY_PARTS)):
            if f"{prefix}asked" not in state:
                continue
            parts = ScoredParts(*(state[prefix + column.name] for column in fields(ScoredParts)))
            if (parts.features.shape[1], parts.component_p.shape[1]) != (features, components):
                return
            of = state[f"{prefix}asked"]
            for number in np.unique(of).tolist():
                asked[number].parts[kind].append(parts[of == number])
        self._asked = deque(asked)

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
    """Of the events within a horizon; None without any."""
    parts = parts[parts.after_s <= horizon_s]
    return parts if len(parts) else None

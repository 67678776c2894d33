"""Questions about the time ahead that wait for their answers: who was asked when, and what has happened since.

A label comes due once the stream's time has passed its horizon, and never before: what a user does within 7 days is
known after 7 days, also of those who do nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.event_types import EVENT_TYPES, type_index
from models.data.horizons.horizon_days import HORIZON_S

NOT_RETURNED: Final = -1.0
_PURCHASE: Final = type_index("purchase")


@dataclass(frozen=True, slots=True)
class Queries:
    """n questions: each is about one user at one time."""

    user: NDArray[np.uint32]
    """[n]"""
    time_ms: NDArray[np.int64]
    """[n] when it was asked, in the stream's time"""
    silent_s: NDArray[np.float64]
    """[n] since the user's last event"""
    inputs: NDArray[np.float16]
    """[n, I] of the heads"""
    recency: NDArray[np.float32]
    """[n, F] features of the counts"""
    logits: NDArray[np.float32]
    """[n, H, E] of return within each horizon, as the experts of the mixture predicted when it was asked"""
    return_s: NDArray[np.float64]
    """[n] from the question to the user's first event after it; NOT_RETURNED as long as there is none"""
    types: NDArray[np.bool_]
    """[n, H, T] types of the user's events after it, within each horizon"""
    spent: NDArray[np.float32]
    """[n, H] sum of the values of their purchases"""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: Any) -> "Queries":
        return Queries(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def concatenate(parts: "list[Queries]") -> "Queries":
        """All parts, one after the other."""
        return Queries(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Queries)))

    @staticmethod
    def none(inputs: int, features: int, experts: int) -> "Queries":
        """No questions."""
        horizons = len(HORIZON_S)
        return Queries(
            np.zeros(0, np.uint32),
            np.zeros(0, np.int64),
            np.zeros(0),
            np.zeros((0, inputs), np.float16),
            np.zeros((0, features), np.float32),
            np.zeros((0, horizons, experts), np.float32),
            np.zeros(0),
            np.zeros((0, horizons, len(EVENT_TYPES)), np.bool_),
            np.zeros((0, horizons), np.float32),
        )


class WaitingQueries:
    """Questions in order of time, until their longest horizon has passed."""

    def __init__(self, inputs: int, features: int, experts: int) -> None:
        self._none = Queries.none(inputs, features, experts)
        self._held = self._none
        self._taken = np.zeros(len(HORIZON_S), np.int64)
        """[H] how many of the held ones have come due, for each horizon"""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, queries: Queries) -> None:
        """Questions that were asked after all that wait."""
        self._held = Queries.concatenate([self._held, queries])

    def note_events(
        self,
        users: NDArray[np.uint32],
        time_ms: NDArray[np.int64],
        kind: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> None:
        """Events [m] came, of these users, times, types and values."""
        held = self._held
        if not len(held) or not len(users):
            return
        order = np.argsort(users, kind="stable")
        first, end = (np.searchsorted(users[order], held.user, side) for side in ("left", "right"))
        count = end - first
        query = np.repeat(np.arange(len(held)), count)
        event = order[np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count) + first[query]]
        after_s = (time_ms[event] - held.time_ms[query]) / 1000
        query, event, after_s = query[after_s > 0], event[after_s > 0], after_s[after_s > 0]
        soonest = np.where(held.return_s == NOT_RETURNED, np.inf, held.return_s)
        np.minimum.at(soonest, query, after_s)
        held.return_s[:] = np.where(np.isinf(soonest), NOT_RETURNED, soonest)
        for number, horizon_s in enumerate(HORIZON_S.tolist()):
            within = np.flatnonzero(after_s <= horizon_s)
            held.types[query[within], number, kind[event[within]]] = True
            bought = within[kind[event[within]] == _PURCHASE]
            np.add.at(held.spent, (query[bought], number), value[event[bought]].astype(np.float32))

    def take_due(self, clock_ms: int) -> list[Queries]:
        """For each horizon, those whose horizon has passed since the last call.

        Their `return_s` is NOT_RETURNED where the user did not return within it: what came later is not told.
        """
        due = []
        passed_s = (clock_ms - self._held.time_ms) / 1000  # [n] falls
        for number, horizon_s in enumerate(HORIZON_S.tolist()):
            end = int(np.count_nonzero(passed_s > horizon_s))
            part = self._held[self._taken[number] : end]
            within = np.where(part.return_s > horizon_s, NOT_RETURNED, part.return_s)
            due.append(replace(part, return_s=within))
            self._taken[number] = max(end, int(self._taken[number]))
        done = int(self._taken[-1])
        self._held, self._taken = self._held[done:], self._taken - done
        return due

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop the questions about these users."""
        kept = ~np.isin(self._held.user, users)
        self._taken = np.array([int(kept[:end].sum()) for end in self._taken.tolist()], np.int64)
        self._held = self._held[kept]

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of everything."""
        arrays = {field.name: getattr(self._held, field.name).copy() for field in fields(Queries)}
        types = arrays["types"].view(np.uint8)  # not every format of a checkpoint has booleans
        return arrays | {"user": arrays["user"].view(np.int32), "types": types, "taken": self._taken.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`; nothing where it is of other settings."""
        if any(field.name not in state for field in fields(Queries)):
            return
        arrays = {field.name: state[field.name].copy() for field in fields(Queries)}
        arrays["user"], arrays["types"] = arrays["user"].view(np.uint32), arrays["types"].view(np.bool_)
        if all(arrays[name].shape[1:] == getattr(self._none, name).shape[1:] for name in arrays):
            self._held, self._taken = Queries(**arrays), state["taken"].copy()

"""Questions about users at a time: all who had an event by then, what is known of them, and what came."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog


@dataclass(frozen=True, slots=True)
class Questions:
    """n questions; everything but `next_s` is known when they are asked."""

    user: NDArray[np.int64]
    """[n]"""
    time_ms: NDArray[np.int64]
    """[n]"""
    events: NDArray[np.int64]
    """[n] of the user so far"""
    silent_s: NDArray[np.float64]
    """[n] since the last of them"""
    age_s: NDArray[np.float64]
    """[n] since the first"""
    next_s: NDArray[np.float64]
    """[n] until the user's next event; infinite where the log has none"""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Questions:
        return Questions(*(getattr(self, field.name)[rows] for field in fields(self)))

    def returned(self, horizon_s: float) -> NDArray[np.bool_]:
        """[n] the labels: whether the user had an event within the horizon."""
        return self.next_s <= horizon_s

    @staticmethod
    def concatenate(parts: list[Questions]) -> Questions:
        """All parts, one after the other."""
        columns = (np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Questions))
        return Questions(*columns)

    @staticmethod
    def ask(log: EventLog, time_ms: int) -> Questions:
        """About every user who had an event at or before this time."""
        known = int(np.searchsorted(log.time_ms, time_ms, side="right"))
        users = int(log.user.max(initial=-1)) + 1
        first, last, following = (np.full(users, np.nan) for _ in range(3))
        past, future, seconds = log.user[:known], log.user[known:], log.time_ms / 1000
        first[past[::-1]] = seconds[:known][::-1]  # of one user's, the last that is written stays
        last[past] = seconds[:known]
        following[future[::-1]] = seconds[known:][::-1]
        events = np.bincount(past, minlength=users)
        user = np.flatnonzero(events)
        now_s = time_ms / 1000
        return Questions(
            user,
            np.full(len(user), time_ms),
            events[user],
            now_s - last[user],
            now_s - first[user],
            np.nan_to_num(following[user] - now_s, nan=np.inf),
        )


@dataclass(frozen=True, slots=True)
class Gaps:
    """m gaps between events of users, as known at a time: the last one of each user is censored."""

    gap_s: NDArray[np.float64]
    """[m]"""
    is_observed: NDArray[np.bool_]
    """[m] False: so long at least"""
    number: NDArray[np.int64]
    """[m] events of the user before it ended"""
    user: NDArray[np.int64]
    """[m]"""

    @staticmethod
    def until(log: EventLog, time_ms: int) -> Gaps:
        """Those of events at or before this time."""
        known = log.time_ms <= time_ms
        user, seconds = log.user[known], log.time_ms[known] / 1000
        order = np.argsort(user, kind="stable")
        user, seconds = user[order], seconds[order]
        is_last = np.append(user[1:] != user[:-1], True) if len(user) else np.zeros(0, np.bool_)
        end = np.append(seconds[1:], time_ms / 1000)
        end[is_last] = time_ms / 1000
        begin = np.flatnonzero(np.append(True, user[1:] != user[:-1])) if len(user) else np.zeros(0, np.int64)
        start = np.repeat(begin, np.diff(np.append(begin, len(user))))
        return Gaps(end - seconds, ~is_last, np.arange(len(user)) - start + 1, user)

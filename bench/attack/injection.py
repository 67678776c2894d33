"""Events that attackers add to a log: a few of its users push one item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from models.data.event_log import EventLog

BEGIN_SHARE: Final = 0.7
"""Part of the log before the attack"""

_FLOOD_GAP_MS = 100
_POPULAR_ITEMS = 10


@dataclass(frozen=True, slots=True)
class AttackedLog:
    """A log with the events of an attack among its own."""

    events: EventLog
    begin: int
    """Index of the first event of the attacked part; the events before it are those of the log"""
    target: int
    """The pushed item"""
    attackers: NDArray[np.int64]
    """Users who push it"""


@dataclass(frozen=True, slots=True)
class _Plan:
    target: int
    popular: NDArray[np.int64]
    first_ms: int
    last_ms: int
    generator: np.random.Generator


def _flood(plan: _Plan, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    begin = plan.generator.integers(plan.first_ms, plan.last_ms + 1)
    return np.full(count, plan.target), begin + np.arange(count) * _FLOOD_GAP_MS


def _steady(plan: _Plan, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.full(count, plan.target), np.sort(plan.generator.integers(plan.first_ms, plan.last_ms + 1, count))


def _pairs(plan: _Plan, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    item, time_ms = _steady(plan, count)
    item[::2] = plan.popular[np.arange(len(item[::2])) % len(plan.popular)]
    return item, time_ms


ATTACKS: Final[dict[str, Callable[[_Plan, int], tuple[NDArray[np.int64], NDArray[np.int64]]]]] = {
    "flood": _flood,
    "steady": _steady,
    "pairs": _pairs,
}
"""Items and times of one attacker's events. flood: all of the item, ten a second; steady: all of the item, over the
whole attacked part; pairs: likewise, in turn with the ten most popular items, after which it is to be predicted"""


def attacked(events: EventLog, attack: str | None, user_share: float, event_share: float, seed: int = 0) -> AttackedLog:
    """The log with an attack in its last part, of this share of its users, who add this share of that part's events.

    `attack` None adds nothing; target and attackers are the same. BenchError where the log is too short.
    """
    begin = int(len(events) * BEGIN_SHARE)
    before, part = events[:begin], events[begin:]
    counts = np.bincount(before.item, minlength=1)
    counts[0] = 0
    if not counts.any() or not len(part):
        raise BenchError(f"{len(events)} events are too few for an attack")
    by_count = np.argsort(counts, kind="stable")[np.count_nonzero(counts == 0) :]
    target = int(by_count[len(by_count) // 2])  # of a median item it shows: hardly anybody is shown it otherwise
    generator = np.random.default_rng(seed)
    users = np.unique(before.user)
    attackers = generator.choice(users, max(1, round(len(users) * user_share)), replace=False)
    if attack is None:
        return AttackedLog(events, begin, target, attackers)
    first_ms, last_ms = int(part.time_ms.min()), int(part.time_ms.max())
    plan = _Plan(target, by_count[::-1][:_POPULAR_ITEMS], first_ms, last_ms, generator)
    share = np.array_split(np.arange(round(len(part) * event_share)), len(attackers))
    made = [ATTACKS[attack](plan, len(of_attacker)) for of_attacker in share]
    item, time_ms = (np.concatenate(column) for column in zip(*made, strict=True))
    added = EventLog(
        user=np.repeat(attackers, [len(of_attacker) for of_attacker in share]),
        item=item.astype(np.int64),
        time_ms=time_ms.astype(np.int64),
        type=np.full(len(item), events.type[0]),
        value=np.full(len(item), np.nan),
        text=np.full(len(item), "", dtype=object),
    )
    columns = ("user", "item", "time_ms", "type", "value", "text")
    joined = EventLog(*(np.concatenate([getattr(part, name), getattr(added, name)]) for name in columns))
    part = joined[np.argsort(joined.time_ms, kind="stable")]
    return AttackedLog(
        EventLog(*(np.concatenate([getattr(before, name), getattr(part, name)]) for name in columns)),
        begin,
        target,
        attackers,
    )

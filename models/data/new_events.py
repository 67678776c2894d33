"""The newest events of users as their rows hold them: all that counting and learning take from a step.

What is learnt is thereby a function of committed rows: whoever reads a row, and how many of its events are new, learns
the same from it.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data.events import TYPE_WEIGHT
from models.data.influence import NO_LIMITS, InfluenceLimits, event_influence, judged_by

PAIR_DISTANCE: Final = 10
"""Events of a user between two items that still count as a pair"""


@dataclass(frozen=True, slots=True)
class NewEvents:
    """n new events of users, oldest first."""

    item: NDArray[np.int64]
    """[n] item index, 0 = no item"""
    weight: NDArray[np.float32]
    """[n] what the event counts"""
    earlier: NDArray[np.int64]
    """[n, PAIR_DISTANCE] items of the user's events before it, newest first; 0 where the row holds none"""

    def __len__(self) -> int:
        return len(self.item)

    def without(self, gone: NDArray[np.int64]) -> "NewEvents":
        """The same events, as those of no item where theirs is one of these."""
        item, earlier = (np.where(np.isin(items, gone), 0, items) for items in (self.item, self.earlier))
        return replace(self, item=item, earlier=earlier)

    @staticmethod
    def of(rows: NDArray[np.void], new_events: NDArray[np.int64], limits: InfluenceLimits = NO_LIMITS) -> "NewEvents":
        """The last `new_events` [U] of each row's events; of more than a row holds, those that it holds.

        By their influence (influence.py) they weigh less, and those without any are left out.

        Rows hold no times but the last: the order between users follows the gaps between a user's events, of which a
        row knows the power of two.
        """
        user = np.flatnonzero(new_events > 0)
        ring = rows["ring_item"].shape[1]
        steps = rows["steps"][user].astype(np.int64)
        count = np.minimum(np.minimum(new_events[user], ring), steps)  # [A]
        width = int(count.max(initial=0))
        lag = np.arange(width + PAIR_DISTANCE)
        number = steps[:, None] - 1 - lag  # [A, width + 10] newest first
        held = (number >= 0) & (lag < ring)
        cell = user[:, None] * ring + number % ring
        item = np.where(held, rows["ring_item"].reshape(-1)[cell], 0).astype(np.int64)
        is_new = lag[:width] < count[:, None]  # [A, width]
        time_ms = rows["last_time_ms"][user][:, None] - event_ages_ms(rows["ring_gap"].reshape(-1)[cell[:, :width]])
        row, column = np.nonzero(is_new[:, ::-1])
        column = width - 1 - column  # each user's events oldest first, as they stay where times are equal
        order = np.argsort(time_ms[row, column], kind="stable")
        row, column = row[order], column[order]
        kind = rows["ring_type"].reshape(-1)[cell[row, column]]
        earlier = item[row[:, None], column[:, None] + 1 + np.arange(PAIR_DISTANCE)]
        events = NewEvents(item[row, column], TYPE_WEIGHT[kind], earlier)
        if limits == NO_LIMITS:
            return events
        length = np.minimum(steps, ring)[row]
        judging, held_events = judged_by(length - 1 - column, length)
        judge = user[row, None] * ring + ((steps[row] - length)[:, None] + judging) % ring
        items, gaps = (rows[name].reshape(-1)[judge].astype(np.int64) for name in ("ring_item", "ring_gap"))
        influence = event_influence(events.item, items, gaps, held_events, limits)
        kept = np.flatnonzero(influence)
        return NewEvents(events.item[kept], (events.weight * influence)[kept], earlier[kept])


@dataclass(frozen=True, slots=True)
class NewestEvents:
    """n events of rows, as far as these hold them; times but the last are known to a power of two of the gaps."""

    row: NDArray[np.int64]
    """[n]"""
    item: NDArray[np.int64]
    """[n] 0 = no item"""
    type: NDArray[np.int64]
    """[n]"""
    value: NDArray[np.uint8]
    """[n] bucket of the value"""
    time_ms: NDArray[np.int64]
    """[n]"""

    @staticmethod
    def of(rows: NDArray[np.void], new_events: NDArray[np.int64]) -> "NewestEvents":
        """The last `new_events` [U] of each row's events."""
        ring = rows["ring_item"].shape[1]
        steps = rows["steps"].astype(np.int64)
        count = np.minimum(np.minimum(new_events, ring), steps)
        lag = np.arange(int(count.max(initial=0)))
        slot = (steps[:, None] - 1 - lag) % ring
        every = np.arange(len(rows))[:, None]
        time_ms = rows["last_time_ms"][:, None] - event_ages_ms(rows["ring_gap"][every, slot])
        row, column = np.nonzero(lag < count[:, None])
        cell = slot[row, column]
        item, kind = (rows[name][row, cell].astype(np.int64) for name in ("ring_item", "ring_type"))
        return NewestEvents(row, item, kind, rows["ring_value"][row, cell], time_ms[row, column])


def event_ages_ms(gap: NDArray[np.uint8]) -> NDArray[np.int64]:
    """[A, width] how much older than the newest event each is, at least; from the gaps [A, width], newest first."""
    # Bucket b begins at 2^(b - 1) - 1 seconds (user_state.GAP_BUCKETS).
    seconds = (1 << np.maximum(gap.astype(np.int64) - 1, 0)) - 1
    ages = np.zeros(gap.shape, np.int64)
    np.cumsum(seconds[:, :-1], axis=1, out=ages[:, 1:])
    return ages * 1000

"""Rows as they were some events ago, as far as later rows still tell."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.new_events import event_ages_ms


def earlier_rows(
    rows: NDArray[np.void],
    user: NDArray[np.int64],
    later: NDArray[np.int64],
    indices: Callable[[NDArray[Any]], NDArray[Any]],
) -> NDArray[np.void]:
    """Copies [P] of the rows of these users without their last `later` [P] events, fewer than the ring holds.

    The history lacks what the ring has lost since, and begins with what it holds: `steps` counts that alone. `h`, `c`
    are zero, to be recomputed from the history. The time is that of the row less the gaps, which are known to a power
    of two. Of `seen`, the items of the events left out are unmarked, though a user may have had them before; `indices`
    gives those of items in the register.
    """
    before = rows[user]
    ring = rows["ring_item"].shape[1]
    steps = before["steps"].astype(np.int64)
    held = np.minimum(steps, ring) - later  # [P]
    column = np.arange(ring)
    kept = column < held[:, None]  # [P, K]
    row = np.arange(len(user))[:, None]
    slot = ((steps - np.minimum(steps, ring))[:, None] + column) % ring  # [P, K] oldest first
    newest_slot = (steps[:, None] - 1 - column) % ring  # [P, K] newest first
    left_out = column < later[:, None]  # [P, K]
    ages = event_ages_ms(before["ring_gap"][row, newest_slot])  # [P, K]
    before["last_time_ms"] -= ages[row[:, 0], np.minimum(later, ring - 1)]
    if "seen" in (rows.dtype.names or ()):
        _unmark(before["seen"], indices(before["ring_item"][row, newest_slot]), left_out)
    for name in rows.dtype.names or ():
        if name.startswith("ring_"):
            values = before[name][row, slot]
            before[name] = np.where(kept if values.ndim == 2 else kept[..., None], values, 0)
    before["h"], before["c"] = 0, 0
    before["steps"] = held
    return before


def _unmark(seen: NDArray[np.uint8], index: NDArray[np.uint32], left_out: NDArray[np.bool_]) -> None:
    row, column = np.nonzero(left_out & (index > 0))
    bit = index[row, column].astype(np.int64) % (8 * seen.shape[1])
    np.bitwise_and.at(seen, (row, bit // 8), ~(1 << (bit % 8)).astype(np.uint8))

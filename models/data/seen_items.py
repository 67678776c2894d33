"""Items that a user already had, as a bitmap of fixed size: bit = index in the item register modulo number of bits.

Exact while no more items were registered than the map has bits; beyond, an item that the user did not have is taken for
one they had with probability (items the user had) / bits. Not by slot: who had an item did not have the one that takes
its slot.
"""

import numpy as np
from numpy.typing import NDArray

from models.data.timeline import Timeline


def mark_seen(seen: NDArray[np.uint8], row: NDArray[np.int64], index: NDArray[np.int64]) -> None:
    """Set the bit of the item `index[i]` of the register in `seen[row[i]]`; index 0 (no item) sets none."""
    row, index = row[index > 0], index[index > 0]
    bit = index % (8 * seen.shape[1])
    np.bitwise_or.at(seen, (row, bit // 8), (1 << (bit % 8)).astype(np.uint8))


def seen_after_each(timeline: Timeline, index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """[n, bytes] the user's map after each event of the batch, of items `index` [n] of the register."""
    batch = timeline.batch
    before: NDArray[np.uint8] = timeline.rows["seen"]
    seen = np.zeros((len(batch), before.shape[1]), dtype=np.uint8)  # [n, bytes]
    mark_seen(seen, np.arange(len(batch)), index)
    # Each pass doubles the number of events that a row covers: log2(longest) passes, however hot one user is.
    reach, longest = 1, int(timeline.count.max(initial=0))
    while reach < longest:
        later = np.flatnonzero(timeline.position >= reach)
        seen[later] |= seen[later - reach]
        reach *= 2
    return seen | before[batch.user]


def seen_before_each(timeline: Timeline, index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """[n, bytes] the user's map right before each event of the batch, of items `index` [n] of the register."""
    seen = np.roll(seen_after_each(timeline, index), 1, axis=0)
    first = np.flatnonzero(timeline.position == 0)
    seen[first] = timeline.rows["seen"][timeline.batch.user[first]]
    return seen


def seen_before(timeline: Timeline, event: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """[P, bytes] the user's map right before each of these events; for few events of a batch.

    `index` [n]: the items of the batch in the register.
    """
    batch, position = timeline.batch, timeline.position[event]
    user = batch.user[event]
    seen: NDArray[np.uint8] = timeline.rows["seen"][user]  # [P, bytes]
    first = np.cumsum(position) - position
    earlier = np.arange(int(position.sum())) + np.repeat(timeline.start[user] - first, position)
    mark_seen(seen, np.repeat(np.arange(len(event)), position), index[earlier])
    return seen

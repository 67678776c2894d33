"""Which items give their slots to newcomers: those unseen for longest."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_CANDIDATES: Final = 8
"""Per newcomer: as many writers may register newcomers at once, each of as many, before one has to try again"""


def eviction_candidates(
    last_seen: NDArray[np.int64], index: NDArray[np.int32], spared: NDArray[np.bool_], newcomers: int
) -> list[list[int]]:
    """Candidates of each newcomer, the first one unseen for longest; fewer lists where too few items can be evicted.

    `last_seen`, `index` and `spared` are by slot; of items that were last seen together, the one registered first comes
    first. Costs a pass over the slots, however many newcomers there are.
    """
    slot = np.flatnonzero(~spared)
    if not len(slot):
        return []
    # Rather try again than evict what was seen just now.
    wanted = min(_CANDIDATES * newcomers, max(newcomers, (len(slot) + 1) // 2), len(slot))
    seen, index = last_seen[slot], index[slot]
    bound = np.partition(seen, wanted - 1)[wanted - 1]
    before, tied = np.flatnonzero(seen < bound), np.flatnonzero(seen == bound)
    before = before[np.lexsort((index[before], seen[before]))]
    oldest = index[np.concatenate([before, tied[np.argsort(index[tied])]])][:wanted]
    # Not one after the other: of two writers with the same view, the second finds what the first has left.
    return [oldest[number::newcomers].tolist() for number in range(min(newcomers, len(oldest)))]

"""Blocks of items whose embeddings have changed, until a release has them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown
from models.releases.part_arrays import BLOCK_ITEMS

MAX_BLOCKS: Final = 160
"""Of one release: 20 480 items, as many as the loss covers in full, 5 MB of embeddings. A sampled loss changes items of
every block at each step: a release would have all embeddings, 52 MB of 200 000 items"""

_AT_ONCE: Final = 1 << 40


class WaitingBlocks:
    """Those with the most changes come first; what waits goes on to count, so that every block comes at last."""

    def __init__(self, max_blocks: int = MAX_BLOCKS) -> None:
        self._max_blocks = max_blocks
        self._changes = np.zeros(FIRST_ROWS, np.int64)  # by block

    def add(self, item: NDArray[np.int64], at_once: bool = False) -> None:
        """These items have changed; `at_once`: the next release must have them."""
        changes = np.bincount(item // BLOCK_ITEMS)
        self._changes = grown(self._changes, len(changes))
        self._changes[: len(changes)] += changes * (_AT_ONCE if at_once else 1)

    def take(self, every: bool = False) -> NDArray[np.int64]:
        """[n] an item of each block that the next release has; `every`: of all that wait."""
        block = np.flatnonzero(self._changes)
        if len(block) > self._max_blocks and not every:
            block = block[np.argsort(-self._changes[block], kind="stable")]
            must = int((self._changes[block] >= _AT_ONCE).sum())
            block = block[: max(self._max_blocks, must)]
        self._changes[block] = 0
        return block * BLOCK_ITEMS

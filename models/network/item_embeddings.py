"""The table E' = E + W_t content that a network scores by, kept current with what is said of the items."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.items.vocabulary import ItemContentLike
from models.network.interest_network import InterestNetwork

_BLOCK_ROWS = 8192


class ItemEmbeddings:
    """E' of one network whose weights do not change."""

    def __init__(self, network: InterestNetwork, content: ItemContentLike | None) -> None:
        self._network = network
        self._content = content
        self._version = 0
        self._table: Tensor | None = None  # None: E itself

    @property
    def rows(self) -> Tensor:
        """[rows, D] E' as of the last refresh."""
        return self._network.item if self._table is None else self._table

    @torch.no_grad()
    def refresh(self) -> None:
        """Catch up with the content and with the network's growth."""
        network = self._network
        if self._content is None or network.content is None or not self._content.version:
            return
        if self._table is None or len(self._table) < network.rows:
            self._table = network.item.detach().clone()
            self._version = 0
        self._version, changed = self._content.changed_since(self._version)
        changed = changed[changed < network.rows]
        for low in range(0, len(changed), _BLOCK_ROWS):
            self._put(self._content, changed[low : low + _BLOCK_ROWS])

    def _put(self, content: ItemContentLike, item: NDArray[np.int64]) -> None:
        assert self._table is not None
        assert self._network.content is not None
        said = torch.from_numpy(content.rows(item)).to(self._table)  # [n, content width]
        at = torch.from_numpy(item).to(self._table.device)
        self._table[at] = self._network.item[at] + self._network.content(said)

"""Item embeddings E' = E + W_t content, kept current with the content of the items."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.items.vocabulary import ItemContentLike
from models.network.interest_network import InterestNetwork
from models.transfers import to_device

_BLOCK_ROWS = 8192


class ItemEmbeddings:
    """E' of one network whose weights do not change."""

    def __init__(self, network: InterestNetwork, content: ItemContentLike | None) -> None:
        self._network = network
        self._content = content
        self._version = 0
        self._weight: Tensor | None = None  # None: E itself

    @property
    def weight(self) -> Tensor:
        """[num_items, D] E' as of the last refresh."""
        return self._network.item if self._weight is None else self._weight

    @torch.no_grad()
    def refresh(self) -> None:
        """Compute the rows anew whose content changed, and those of new items."""
        network = self._network
        if self._content is None or network.content is None or not self._content.refresh():
            return
        if self._weight is None or len(self._weight) < network.num_items:
            self._weight = network.item.detach().clone()
            self._version = 0
        self._version, changed = self._content.changed_since(self._version)
        changed = changed[changed < network.num_items]
        for low in range(0, len(changed), _BLOCK_ROWS):
            self._update_rows(self._content, changed[low : low + _BLOCK_ROWS])

    def _update_rows(self, content: ItemContentLike, item: NDArray[np.int64]) -> None:
        assert self._weight is not None
        assert self._network.content is not None
        vectors, row = to_device([content.rows(item), item], self._weight.device)
        vectors = vectors.to(self._weight.dtype)  # [n, content width]
        self._weight[row] = self._network.item[row] + self._network.content(vectors)

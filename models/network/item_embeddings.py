"""Item embeddings E' = E + W_t content, kept current with the content of the items."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.growable_array import FIRST_ROWS, grown
from models.items.register import ItemRegister
from models.items.vocabulary import ItemContentLike
from models.network.interest_network import InterestNetwork
from models.transfers import to_device

_BLOCK_ROWS = 8192


class ItemEmbeddings:
    """E' of one network whose weights do not change."""

    def __init__(self, network: InterestNetwork, content: ItemContentLike | None, registered: int = 0) -> None:
        """`registered`: registrations that the network's item tables follow."""
        self.registered = registered
        self._network = network
        self._content = content
        self._version = 0
        self._weight: Tensor | None = None  # None: E itself
        self._given = np.zeros(FIRST_ROWS, np.bool_)
        """Rows that `put` has set, and `refresh` leaves alone"""

    @property
    def weight(self) -> Tensor:
        """[num_items, D] E' as of the last refresh."""
        return self._network.item if self._weight is None else self._weight

    @torch.inference_mode()
    def put(self, item: NDArray[np.int64], weight: Tensor) -> None:
        """Replace the rows of these items, for which there is room, by `weight` [n, D]; content won't change them."""
        self._follow_growth()
        self._given[item] = True
        row, table = torch.from_numpy(item).to(self.weight.device), self.weight
        table[row] = weight.to(table.device, table.dtype)

    @torch.inference_mode()
    def follow(self, register: ItemRegister) -> None:
        """Begin anew the rows that other items have taken over, those of the network too.

        To be called before `refresh`; the network has room for all items.
        """
        self.registered, item = register.taken_over(self.registered)
        if not len(item):
            return
        self._network.reset_items(item, register.indices(item))
        self._follow_growth()
        self._given[item] = False
        if self._weight is not None and self._content is not None:
            self._content.refresh()
            for low in range(0, len(item), _BLOCK_ROWS):
                self._update_rows(self._content, item[low : low + _BLOCK_ROWS])

    @torch.no_grad()
    def refresh(self) -> None:
        """Compute the rows anew whose content changed, and those of new items."""
        network = self._network
        if self._content is None or network.content is None or not self._content.refresh():
            return
        if self._weight is None:
            self._weight = network.item.detach().clone()
        self._follow_growth()
        self._version, changed = self._content.changed_since(self._version)
        changed = changed[changed < network.num_items]
        changed = changed[~self._given[changed]]
        for low in range(0, len(changed), _BLOCK_ROWS):
            self._update_rows(self._content, changed[low : low + _BLOCK_ROWS])

    def _follow_growth(self) -> None:
        rows = self._network.num_items
        self._given = grown(self._given, rows)
        if self._weight is not None and len(self._weight) < rows:
            weight = self._network.item.detach().clone()
            weight[: len(self._weight)] = self._weight
            self._weight, self._version = weight, 0  # content of the new rows may have changed before

    def _update_rows(self, content: ItemContentLike, item: NDArray[np.int64]) -> None:
        assert self._weight is not None
        assert self._network.content is not None
        vectors, row = to_device([content.rows(item), item], self._weight.device)
        vectors = vectors.to(self._weight.dtype)  # [n, content width]
        self._weight[row] = self._network.item[row] + self._network.content(vectors)

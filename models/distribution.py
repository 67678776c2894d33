"""Which items may be predicted, the network's scores of them, and the categories they belong to.

All N items are scored, in blocks of moments, so memory stays bounded whatever the batch.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.items import Items
from models.network import InterestNetwork

_BLOCK_SCORES = 1 << 18
"""Scores held at once: the dozen arrays of this size that a mixture needs stay in the processor's cache"""

_LEAST_BLOCK = 16
"""Events in a block, at least: each block reads the whole item table once"""

_DENSE_CELLS = 1 << 24
"""Largest item and category matrix that is kept dense (64 MB), which is several times faster with few categories"""

_FORBIDDEN = float("-inf")
_LARGEST = 1e4


class Candidates:
    """Which items may be predicted, and their categories; follows an `Items` that grows meanwhile."""

    def __init__(self, items: Items, device: torch.device) -> None:
        self._items = items
        self.device = device
        self._version = -1
        self._inactive = torch.zeros(0, dtype=torch.long)
        self._categories = torch.zeros(0, 0)
        self.known = 0
        """Items with an index from 1 up to this may be predicted"""

    def refresh(self) -> None:
        """Catch up with the vocabulary."""
        version = self._items.version
        if version != self._version:
            self._redraw()
            self._version = version
        # Read last: every item that the categories speak of is known.
        self.known = len(self._items)

    def _redraw(self) -> None:
        self._inactive = torch.from_numpy(np.flatnonzero(~self._items.active())).to(self.device)
        item, category, share = self._items.category_rows()
        at = torch.from_numpy(np.stack([category, item]))
        size = (len(self._items.categories), int(item.max(initial=0)) + 1)
        matrix = torch.sparse_coo_tensor(at, torch.from_numpy(share), size, check_invariants=False)
        if matrix.numel() <= _DENSE_CELLS:
            matrix = matrix.to_dense()
        self._categories = matrix.to(self.device)  # [categories, items]

    def scores(
        self, network: InterestNetwork, table: Tensor, interest: Tensor, seen: NDArray[np.uint8] | None, known: int
    ) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of fp32 scores [p, known + 1]; -inf marks what may not be predicted, nothing is NaN.

        `table` [rows, D] holds E'; `interest` [P, D]; `seen` [P, bytes], the bitmap of the items each user had, None
        where items may come back.
        """
        bias = network.item_bias[: known + 1].clone()  # [N + 1]
        bias[0] = _FORBIDDEN
        bias[self._inactive[self._inactive <= known]] = _FORBIDDEN
        table = table[: known + 1].T  # [D, N + 1]
        block = max(_LEAST_BLOCK, _BLOCK_SCORES // (known + 1))
        for low in range(0, len(interest), block):
            rows = slice(low, low + block)
            scores = torch.addmm(bias, interest[rows], table).float()  # [p, N + 1]
            if not bool((scores.amax(1) <= _LARGEST).all()):
                # Weights that are finite but huge: NaN, or scores so large that their probabilities would not sum to 1.
                scores = scores.nan_to_num(nan=-_LARGEST, posinf=_LARGEST, neginf=_FORBIDDEN).clamp_(max=_LARGEST)
                scores.masked_fill_(bias.isneginf(), _FORBIDDEN)
            if seen is not None:
                _forbid_seen(scores, seen[rows])
            yield rows, scores

    def categories(self, p: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The most probable categories [p, count] of distributions over items [p, N + 1], -1 padding, and their p."""
        category = torch.full((len(p), count), -1, device=self.device)
        category_p = torch.zeros(len(p), count, device=self.device)
        if self._categories.shape[0] and count:
            each = (self._categories @ p[:, : self._categories.shape[1]].T).T  # [p, categories]
            best, at = each.topk(min(count, each.shape[1]), 1)  # [p, m]
            category[:, : at.shape[1]] = at.masked_fill(best <= 0, -1)
            category_p[:, : at.shape[1]] = best
        return category, category_p

    def repeatable(self, item: NDArray[np.int64], known: int) -> Tensor:
        """Which of these items [P, K] may be predicted, whoever had them."""
        item_ = torch.from_numpy(item).to(self.device)
        active = torch.ones(known + 1, dtype=torch.bool, device=self.device)
        active[0] = False
        active[self._inactive[self._inactive <= known]] = False
        return active[item_.clamp(max=known)] & (item_ <= known)


def _forbid_seen(scores: Tensor, seen: NDArray[np.uint8]) -> None:
    had = torch.from_numpy(np.unpackbits(seen, axis=1, bitorder="little")).to(scores.device, torch.bool)  # [p, bits]
    for low in range(0, scores.shape[1], had.shape[1]):
        part = scores[:, low : low + had.shape[1]]
        part.masked_fill_(had[:, : part.shape[1]], _FORBIDDEN)

"""Which items may be predicted, the network's scores of them, and the categories they belong to.

All N items are scored, in blocks of moments, so memory stays bounded whatever the batch.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork

_BLOCK_SCORES = 1 << 18
"""Scores held at once: the dozen arrays of this size that a mixture needs stay in the processor's cache"""

_LEAST_BLOCK = 16
"""Events in a block, at least: each block reads the whole item table once"""

_DENSE_CELLS = 1 << 24
"""Largest item and category matrix that is kept dense (64 MB), which is several times faster with few categories"""

_LEAST_GROUP = 8
"""Numbers in a group, at least, for which searching by groups pays"""

FORBIDDEN: Final = 1e30
"""What scores of items that may not be predicted are less; finite, as a mask is then one sum, and nothing is NaN"""

_LARGEST = 1e4


class Candidates:
    """Which items may be predicted, and their categories; follows an `ItemVocabulary` that grows meanwhile."""

    def __init__(self, items: ItemVocabulary, device: torch.device) -> None:
        self._items = items
        self.device = device
        self._version = -1
        self._inactive = torch.zeros(0, dtype=torch.long)
        self._shut_items = torch.zeros(0)
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
        self._shut_items = torch.zeros(0)
        item, category, share = self._items.category_rows()
        at = torch.from_numpy(np.stack([category, item]))
        size = (len(self._items.categories), int(item.max(initial=0)) + 1)
        matrix = torch.sparse_coo_tensor(at, torch.from_numpy(share), size, check_invariants=False)
        if matrix.numel() <= _DENSE_CELLS:
            matrix = matrix.to_dense()
        self._categories = matrix.to(self.device)  # [categories, items]

    def scores(
        self, network: InterestNetwork, table: Tensor, interest: Tensor, seen: NDArray[np.uint8] | None, known: int
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Blocks of fp32 scores [p, known + 1], none NaN, and what may not be predicted, which scores -1e30 or less.

        The latter is 1 where an item is closed to a moment and 0 elsewhere: [p, known + 1], or [1, known + 1] for all.
        `table` [rows, D] holds E'; `interest` [P, D]; `seen` [P, bytes], the bitmap of the items each user had, None
        where items may come back.
        """
        bias, table = network.item_bias[: known + 1], table[: known + 1].T  # [N + 1], [D, N + 1]
        shut = self._shut(known)  # [N + 1]
        block = max(_LEAST_BLOCK, _BLOCK_SCORES // (known + 1))
        for low in range(0, len(interest), block):
            rows = slice(low, low + block)
            closed = shut.unsqueeze(0) if seen is None else _closed(shut, seen[rows])
            scores = torch.addmm(bias, interest[rows], table).float()  # [p, N + 1]
            # Weights may be finite but huge; beyond these bounds probabilities would not sum to one.
            scores.clamp_(-_LARGEST, _LARGEST)
            if bool(scores.amax(1).isnan().any()):
                scores.nan_to_num_(nan=-_LARGEST)
            scores.sub_(closed, alpha=FORBIDDEN)
            yield rows, scores, closed

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
        return (self._shut(known)[item_.clamp(max=known)] == 0) & (item_ <= known)

    def _shut(self, known: int) -> Tensor:
        """[known + 1] 1 where nobody may be told of an item, else 0."""
        if len(self._shut_items) != known + 1:
            self._shut_items = torch.zeros(known + 1, device=self.device)
            self._shut_items[0] = 1
            self._shut_items[self._inactive[self._inactive <= known]] = 1
        return self._shut_items


def largest(p: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest numbers [p, count] of each row, falling, and where they lie: `topk` for long rows."""
    # The largest are among those groups whose own largest number is largest; nearly all is done by one reduction.
    size = math.isqrt(p.shape[1] // max(count, 1))
    groups = p.shape[1] // max(size, 1)
    if size < _LEAST_GROUP:
        return p.topk(count, 1)
    rest = torch.arange(size * groups, p.shape[1], device=p.device)
    most = p[:, : size * groups].view(-1, size, groups).amax(1)  # [p, groups]
    group = most.topk(count, 1, sorted=False).indices  # [p, count]
    member = group.unsqueeze(2) + torch.arange(0, size * groups, groups, device=p.device)  # [p, count, size]
    member = torch.cat([member.flatten(1), rest.expand(len(p), -1)], 1)
    value, at = p.gather(1, member).topk(count, 1)
    return value, member.gather(1, at)


def _closed(shut: Tensor, seen: NDArray[np.uint8]) -> Tensor:
    """[p, N + 1] what nobody or, by their bitmaps [p, bytes], these users may not be told of; the bitmaps repeat."""
    had_ = np.unpackbits(seen[:, : -(-len(shut) // 8)], axis=1, bitorder="little")
    had = torch.from_numpy(had_).to(shut.device, torch.float32)  # [p, bits]
    closed = shut.new_empty(len(seen), len(shut))
    for low in range(0, len(shut), had.shape[1]):
        part = closed[:, low : low + had.shape[1]]
        torch.maximum(had[:, : part.shape[1]], shut[low : low + had.shape[1]], out=part)
    return closed

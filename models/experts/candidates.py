"""Candidates: which items may be predicted, the network's scores of them, and the categories they belong to.

All N items are scored, in blocks of predictions, so that memory stays bounded whatever the batch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.transfers import is_host, to_device

_MIN_GROUP = 8
"""Numbers in a group, at least, for which searching by groups pays"""

MASKED: Final = 1e30
"""Taken off the scores of items that are no candidates; finite, so that nothing becomes NaN"""

_MAX_SCORE = 1e4


@dataclass(frozen=True, slots=True)
class CandidateSizes:
    """Bounds of what is computed at once; the results do not depend on them."""

    block_scores: int = 1 << 18
    """Scores in a block: the dozen arrays of this size that a mixture needs stay in the processor's cache"""
    min_block: int = 16
    """Predictions in a block, at least: each block reads the whole item table once"""
    dense_cells: int = 1 << 24
    """Largest item and category matrix that is kept dense (64 MB), which is several times faster with few categories"""

    @staticmethod
    def of(device: torch.device) -> "CandidateSizes":
        """Sizes for the device: where no cache bounds a block, a dozen arrays of 64 MB of memory do."""
        return CandidateSizes() if is_host(device) else CandidateSizes(block_scores=1 << 24)


class Candidates:
    """Which items may be predicted, and their categories; follows an `ItemVocabulary` that grows meanwhile."""

    def __init__(self, items: ItemVocabulary, device: torch.device, sizes: CandidateSizes | None = None) -> None:
        self._items = items
        self.register = items.register
        self._sizes = sizes or CandidateSizes.of(device)
        self.device = device
        self._version = -1
        self._inactive = torch.zeros(0, dtype=torch.long)
        self._active_mask = torch.zeros(0)
        self._categories = torch.zeros(0, 0)
        self._category_table: Tensor | None = None
        self._last_categories: tuple[Tensor, Tensor] | None = None
        self._last_top: tuple[Tensor, Tensor, Tensor] | None = None
        self.known = 0
        """Items with an index from 1 up to this may be predicted"""

    def refresh(self) -> None:
        """Catch up with the vocabulary."""
        version = self._items.version
        if version != self._version:
            self._rebuild()
            self._version = version
        # Read last: every item that the category matrix contains is known.
        self.known = len(self._items)

    def scores(
        self, network: InterestNetwork, table: Tensor, interest: Tensor, seen: NDArray[np.uint8] | None, known: int
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Blocks (rows, scores, candidate_mask) of the P predictions; masked items score -1e30 or less, none NaN.

        `scores` [p, known + 1] is fp32. `candidate_mask` [p, known + 1], or [1, known + 1] where it is the same for
        all, is 1 where an item may be predicted, else 0. `table` [rows, D] holds E'; `interest` [P, D]; `seen` [P,
        bytes] is the bitmap of the items each user had, None where items may come back.
        """
        bias, table = network.item_bias[: known + 1], table[: known + 1].T  # [N + 1], [D, N + 1]
        active_mask = self._mask_of_active(known)  # [N + 1]
        index = None
        if seen is not None and self.register.has_evicted:
            index = self.register.indices(np.arange(known + 1))  # [N + 1]
        block = max(self._sizes.min_block, self._sizes.block_scores // (known + 1))
        for low in range(0, len(interest), block):
            rows = slice(low, low + block)
            mask = active_mask.unsqueeze(0) if seen is None else _mask_of_unseen(active_mask, seen[rows], index)
            scores = torch.addmm(bias, interest[rows], table).float()  # [p, N + 1]
            # Weights may be finite but huge; beyond these bounds probabilities would not sum to one.
            scores.clamp_(-_MAX_SCORE, _MAX_SCORE)
            # To ask another device whether any is would take longer than to replace none.
            if not is_host(scores.device) or bool(scores.amax(1).isnan().any()):
                scores.nan_to_num_(nan=-_MAX_SCORE)
            yield rows, scores.sub_(1 - mask, alpha=MASKED), mask

    @property
    def has_inactive(self) -> bool:
        """Whether any item may not be predicted, whoever the user."""
        return len(self._inactive) > 1  # item 0 is always among them

    @property
    def category_matrix(self) -> Tensor:
        """[categories, items] share of each item that belongs to a category; sparse where it is large."""
        return self._categories

    @property
    def category_table(self) -> Tensor:
        """[items, categories] the same by item; dense."""
        if self._category_table is None:
            self._category_table = self._categories.to_dense().T.contiguous()
        return self._category_table

    def category_p(self, p: Tensor) -> Tensor:
        """[p, categories] probability of each category, of distributions over items [p, N + 1].

        Of the same tensor as at the last call, that of the last call: top categories and outlook both ask.
        """
        if self._last_categories is None or self._last_categories[0] is not p:
            self._last_categories = p, (self._categories @ p[:, : self._categories.shape[1]].T).T
        return self._last_categories[1]

    def top(self, p: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """`largest(p, count)` of distributions over items [p, N + 1].

        Of the same tensor as at the last call, the first of the last call's: outlook and top items both ask.
        """
        if self._last_top is None or self._last_top[0] is not p or self._last_top[1].shape[1] < count:
            self._last_top = p, *largest(p, count)
        _, top_p, top = self._last_top
        return top_p[:, :count], top[:, :count]

    def categories(self, p: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The most probable categories [p, count] of distributions over items [p, N + 1], -1 padding, and their p."""
        category = torch.full((len(p), count), -1, device=self.device)
        category_p = torch.zeros(len(p), count, device=self.device)
        if self._categories.shape[0] and count:
            all_p = self.category_p(p)
            top_p, top = all_p.topk(min(count, all_p.shape[1]), 1)  # [p, m]
            category[:, : top.shape[1]] = top.masked_fill(top_p <= 0, -1)
            category_p[:, : top.shape[1]] = top_p
        return category, category_p

    def repeatable(self, item: NDArray[np.int64], known: int) -> Tensor:
        """Which of these items [P, K] may be predicted, whoever had them."""
        (index,) = to_device([item], self.device)
        return (self._mask_of_active(known)[index.clamp(max=known)] > 0) & (index <= known)

    def _rebuild(self) -> None:
        self._inactive = torch.from_numpy(np.flatnonzero(~self._items.active())).to(self.device)
        self._active_mask = torch.zeros(0)
        item, category, share = self._items.category_rows()
        index = torch.from_numpy(np.stack([category, item]))
        size = (len(self._items.categories), int(item.max(initial=0)) + 1)
        matrix = torch.sparse_coo_tensor(index, torch.from_numpy(share), size, check_invariants=False)
        if matrix.numel() <= self._sizes.dense_cells:
            matrix = matrix.to_dense()
        self._categories = matrix.to(self.device)  # [categories, items]
        self._category_table = self._last_categories = self._last_top = None

    def _mask_of_active(self, known: int) -> Tensor:
        """[known + 1] 1 for the items that are active in the vocabulary, else 0; 0 for item 0."""
        if len(self._active_mask) != known + 1:
            # Without a selection of the indices up to `known`, whose number the host would wait for.
            mask = torch.ones(known + 2, device=self.device).index_fill_(0, self._inactive.clamp(max=known + 1), 0)
            mask[0] = 0
            self._active_mask = mask[: known + 1]
        return self._active_mask


def _mask_of_unseen(active_mask: Tensor, seen: NDArray[np.uint8], index: NDArray[np.int64] | None) -> Tensor:
    """[p, N + 1] 1 for the active items that are not in these users' bitmaps [p, bytes]; the bitmaps repeat.

    `index` [N + 1]: of the items in the register, by which the bitmaps are; None where items have the same.
    """
    if index is not None:
        bits = np.unpackbits(seen, axis=1, bitorder="little")
        (had,) = to_device([bits[:, index % bits.shape[1]]], active_mask.device)
        return (1 - had.float()) * active_mask
    bits = np.unpackbits(seen[:, : -(-len(active_mask) // 8)], axis=1, bitorder="little")
    (had,) = to_device([bits], active_mask.device)
    unseen = 1 - had.float()  # [p, bits]
    mask = active_mask.new_empty(len(seen), len(active_mask))
    for low in range(0, len(active_mask), unseen.shape[1]):
        part = mask[:, low : low + unseen.shape[1]]
        torch.mul(unseen[:, : part.shape[1]], active_mask[low : low + unseen.shape[1]], out=part)
    return mask


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`values.topk(count, 1)` of long rows, faster: the largest numbers [p, count], falling, and their columns."""
    # The largest are among those groups whose own largest number is largest; nearly all is done by one reduction.
    size = math.isqrt(values.shape[1] // max(count, 1))
    groups = values.shape[1] // max(size, 1)
    if size < _MIN_GROUP:
        return values.topk(count, 1)
    rest = torch.arange(size * groups, values.shape[1], device=values.device)
    group_max = values[:, : size * groups].view(-1, size, groups).amax(1)  # [p, groups]
    group = group_max.topk(count, 1, sorted=False).indices  # [p, count]
    member = group.unsqueeze(2) + torch.arange(0, size * groups, groups, device=values.device)  # [p, count, size]
    column = torch.cat([member.flatten(1), rest.expand(len(values), -1)], 1)
    top, index = values.gather(1, column).topk(count, 1)
    return top, column.gather(1, index)

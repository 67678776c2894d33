"""What the interest over a horizon is mixed from (interest_gate.py): probabilities of items and of categories."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.candidates import Candidates, largest
from models.experts.gate import log_confidence
from models.experts.interest_gate import RECENT_DECAY
from models.experts.mixture import MixtureBlock
from models.experts.outputs import MIN_P
from models.transfers import to_device, to_host

_POPULAR = (1, 3)
"""Of the half-lives of popularity_counts"""


@dataclass(frozen=True, slots=True)
class Ring:
    """Items of p users' stored events."""

    item: Tensor
    """[p, K] newest first; 0 where there is none, or it may not be predicted"""
    all_items: Tensor
    """[p, K] likewise, of any that has categories"""

    @staticmethod
    def of(rows: NDArray[np.void], known: int, mask: Tensor) -> "Ring":
        """Of rows [p]; `mask` [p or 1, N + 1] says which items may be predicted."""
        ring = rows["ring_item"].shape[1]
        steps = rows["steps"].astype(np.int64)
        lag = np.arange(ring)
        held = lag < np.minimum(steps, ring)[:, None]
        slot = (steps[:, None] - 1 - lag) % ring
        item = np.where(held, rows["ring_item"][np.arange(len(rows))[:, None], slot], 0).astype(np.int64)
        (items,) = to_device([np.where(item <= known, item, 0)], mask.device)
        allowed = mask.expand(len(items), -1).gather(1, items) > 0
        return Ring(items * allowed, items)

    def weights(self, item: Tensor) -> Tensor:
        """[2, p, K] shares of the events with these items [p, K], by age and alike; 0 where there is none."""
        has_item = (item > 0).float()
        decay = RECENT_DECAY ** torch.arange(item.shape[1], device=item.device)
        weights = torch.stack([has_item * decay, has_item])
        return weights / weights.sum(2, keepdim=True).clamp_min(MIN_P)


class InterestComponents:
    """The components of p predictions, of which one block has the distributions."""

    def __init__(self, block: MixtureBlock, rows: NDArray[np.void], candidates: Candidates) -> None:
        """`rows` [p]: of the block's predictions, in order."""
        self._block, self._candidates = block, candidates
        self._mask = block.candidate_mask
        self._ring = Ring.of(rows, block.p.shape[1] - 1, self._mask)
        if block.outputs is None:
            uniform = self._mask[:1] / self._mask[:1].sum().clamp_min(1)
            self._popular = uniform.expand(len(_POPULAR), -1)  # [2, N + 1]
            self._mass = (self._mask @ self._popular.T).clamp_min(MIN_P)  # [p or 1, 2]
        else:
            self._popular = block.outputs.popularity.p[list(_POPULAR)]
            self._mass = block.outputs.popularity_mass[:, list(_POPULAR)].clamp_min(MIN_P)
        (largest_p,) = to_host([block.p.amax(1).double()])
        self.confidence = log_confidence(largest_p)
        """[p] of the next event's most probable item"""

    def of_items(self, item: Tensor) -> Tensor:
        """[p, m, E] probability of items [p, m]; those of 0 are 0."""
        mask = self._mask.expand(len(item), -1).gather(1, item)
        popular = self._popular[:, item] / self._mass.T.unsqueeze(2) * mask  # [2, p, m]
        same = (self._ring.item.unsqueeze(1) == item.unsqueeze(2)) & (item > 0).unsqueeze(2)  # [p, m, K]
        profile = torch.einsum("pmk,epk->epm", same.float(), self._ring.weights(self._ring.item))
        return torch.cat([self._block.p.gather(1, item).unsqueeze(0), popular, profile]).permute(1, 2, 0)

    def top_items(self, shares: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Items [p, H, k] with the largest mixed probability, and that, of shares [p, H, E] of the components.

        Of items that are among the 2 k most probable of a component, as nearly all are.
        """
        wide = min(2 * count, self._block.p.shape[1] - 1)
        rows = len(self._block.p)
        popular = torch.cat([largest(row.unsqueeze(0), wide)[1] for row in self._popular], 1)  # [1, 2 wide]
        column = torch.cat([largest(self._block.p, wide)[1], popular.expand(rows, -1)], 1)  # [p, 3 wide]
        none = self._ring.weights(self._ring.item)
        weight = torch.cat([none.new_zeros(2, *column.shape), none], 2)  # [2, p, M]
        column, order = torch.cat([column, self._ring.item], 1).sort(1)
        # An item has one column: the last of those alike, with what the user's events give all of them.
        total = weight.gather(2, order.expand(2, -1, -1)).cumsum(2)
        is_last = torch.ones_like(column, dtype=torch.bool)
        is_last[:, :-1] = column[:, 1:] != column[:, :-1]
        at_last = torch.where(is_last, total, 0).cummax(2).values
        before = torch.cat([at_last.new_zeros(2, rows, 1), at_last[:, :, :-1]], 2)
        mask = self._mask.expand(rows, -1).gather(1, column)
        popular_p = self._popular[:, column] / self._mass.T.unsqueeze(2) * mask
        p = torch.cat([self._block.p.gather(1, column).unsqueeze(0), popular_p, total - before])  # [E, p, M]
        mixed = torch.einsum("phe,epm->phm", shares, p) * (is_last & (column > 0)).unsqueeze(1)
        top_p, place = mixed.topk(min(count, mixed.shape[2]), 2)
        top = column.unsqueeze(1).expand_as(mixed).gather(2, place)
        return top * (top_p > 0), top_p

    def of_categories(self) -> Tensor:
        """[p, E, C] probability of each category; what is missing to one is of items without category."""
        matrix = self._candidates.category_matrix  # [C, items]
        known = min(matrix.shape[1], self._block.p.shape[1])
        following = self._candidates.category_p(self._block.p)  # [p, C]
        popular = self._candidates.category_p(self._popular)  # [2, C], of all users
        popular = popular.unsqueeze(0).expand(len(following), -1, -1)
        item = self._ring.all_items * (self._ring.all_items < known)
        weights = self._ring.weights(item)  # [2, p, K]
        if matrix.is_sparse:
            dense = weights.new_zeros(2, len(item), self._block.p.shape[1]).scatter_add_(
                2, item.expand(2, -1, -1), weights
            )
            profile = self._candidates.category_p(dense.flatten(0, 1)).view(2, len(item), -1)
        else:
            table = matrix.T.contiguous()
            bags = [
                torch.nn.functional.embedding_bag(item, table, mode="sum", per_sample_weights=part) for part in weights
            ]
            profile = torch.stack(bags)
        return torch.cat([following.unsqueeze(1), popular, profile.transpose(0, 1)], 1)

"""What the interest over a horizon is mixed from (interest_gate.py): probabilities of items and of categories."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.candidates import Candidates
from models.experts.gate import log_confidence
from models.experts.interest_gate import RECENT_DECAY
from models.experts.mixture import MixtureBlock
from models.experts.outputs import MIN_P
from models.transfers import to_device, to_host

POPULAR = (1, 2, 3)
"""Of the half-lives of popularity_counts, as many as interest_gate.COMPONENTS has"""


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
        (items,) = to_device([ring_items(rows, known)], mask.device)
        allowed = mask.expand(len(items), -1).gather(1, items) > 0
        return Ring(items * allowed, items)

    @staticmethod
    def weights(item: Tensor) -> Tensor:
        """[2, p, K] shares of the events with these items [p, K], by age and alike; 0 where there is none."""
        has_item = (item > 0).float()
        decay = RECENT_DECAY ** torch.arange(item.shape[1], device=item.device)
        weights = torch.stack([has_item * decay, has_item])
        return weights / weights.sum(2, keepdim=True).clamp_min(MIN_P)


def ring_items(rows: NDArray[np.void], known: int) -> NDArray[np.int64]:
    """[p, K] items of the stored events of rows [p], newest first; 0 where there is none, or it is not known yet."""
    ring = rows["ring_item"].shape[1]
    steps = rows["steps"].astype(np.int64)
    lag = np.arange(ring)
    held = lag < np.minimum(steps, ring)[:, None]
    item = rows["ring_item"][np.arange(len(rows))[:, None], (steps[:, None] - 1 - lag) % ring]
    return np.where(held & (item <= known), item, 0).astype(np.int64)


def popularity_of(block: MixtureBlock) -> tuple[Tensor, Tensor]:
    """Popularity [3, N + 1] that the components read, and its mass [p or 1, 3] among each one's candidates."""
    if block.outputs is None:
        uniform = torch.ones_like(block.candidate_mask[:1]) / max(block.candidate_mask.shape[1] - 1, 1)
        uniform[:, 0] = 0
        popular = uniform.expand(len(POPULAR), -1)
        return popular, (block.candidate_mask @ popular.T).clamp_min(MIN_P)
    popular = block.outputs.popularity.p
    return popular[list(POPULAR)], block.outputs.popularity_mass[:, list(POPULAR)].clamp_min(MIN_P)


def category_profile(candidates: Candidates, item: Tensor, width: int) -> Tensor:
    """[p, 2, C] categories of the events with items [p, K], of which there are below `width`."""
    matrix = candidates.category_matrix  # [C, items]
    weights = Ring.weights(item * (item < matrix.shape[1]))  # [2, p, K]
    item = item.clamp(max=matrix.shape[1] - 1)
    if matrix.is_sparse:
        dense = weights.new_zeros(2, len(item), width).scatter_add_(2, item.expand(2, -1, -1), weights)
        return candidates.category_p(dense.flatten(0, 1)).view(2, len(item), -1).transpose(0, 1)
    table = candidates.category_table
    bag = torch.nn.functional.embedding_bag
    return torch.stack([bag(item, table, mode="sum", per_sample_weights=part) for part in weights], 1)


class InterestComponents:
    """The components of p predictions, of which one block has the distributions."""

    def __init__(self, block: MixtureBlock, rows: NDArray[np.void], candidates: Candidates) -> None:
        """`rows` [p]: of the block's predictions, in order."""
        self._block, self._candidates = block, candidates
        self._mask = block.candidate_mask
        self._ring = Ring.of(rows, block.p.shape[1] - 1, self._mask)
        self._popular, self._mass = popularity_of(block)
        (largest_p,) = to_host([block.p.amax(1).double()])
        self.confidence = log_confidence(largest_p)
        """[p] of the next event's most probable item"""

    def of_items(self, item: Tensor) -> Tensor:
        """[p, m, E] probability of items [p, m]; those of 0 are 0."""
        mask = self._mask.expand(len(item), -1).gather(1, item)
        popular = self._popular[:, item] / self._mass.T.unsqueeze(2) * mask  # [3, p, m]
        same = (self._ring.item.unsqueeze(1) == item.unsqueeze(2)) & (item > 0).unsqueeze(2)  # [p, m, K]
        profile = torch.einsum("pmk,epk->epm", same.float(), self._ring.weights(self._ring.item))
        return torch.cat([self._block.p.gather(1, item).unsqueeze(0), popular, profile]).permute(1, 2, 0)

    def of_categories(self) -> Tensor:
        """[p, E, C] probability of each category; what is missing to one is of items without category."""
        following = self._candidates.category_p(self._block.p)  # [p, C]
        popular = self._candidates.category_p(self._popular).expand(len(following), -1, -1)  # of all users
        profile = category_profile(self._candidates, self._ring.all_items, self._block.p.shape[1])
        return torch.cat([following.unsqueeze(1), popular, profile], 1)

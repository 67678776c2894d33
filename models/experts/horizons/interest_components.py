"""What the interest over a horizon is mixed from (interest_gate.py): probabilities of items and of categories."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.candidates import Candidates
from models.experts.gate import log_confidence
from models.experts.horizons.interest_gate import RECENT_DECAY
from models.experts.mixture import MixtureBlock
from models.experts.outputs import MIN_P
from models.transfers import to_device, to_host

POPULAR: Final = slice(1, 4)
"""Of the half-lives of popularity_counts, as many as interest_gate.COMPONENTS has"""


@dataclass(frozen=True, slots=True)
class Ring:
    """Items of p users' stored events, and what they weigh: by age, and alike."""

    item: Tensor
    """[p, K] newest first; 0 where there is none, or it is not known yet"""
    weights: Tensor
    """[p, 2, K] shares of the events with an item; 0 where there is none"""
    category_weights: Tensor
    """[p, 2, K] likewise of the events whose item has categories, as far as the category matrix reaches"""

    @staticmethod
    def of(item: NDArray[np.int64], known: int, candidates: Candidates) -> "Ring":
        """Of `stored_items` [p, K]; items up to `known` are known."""
        if item.max(initial=0) > known:
            item = np.where(item <= known, item, 0)
        weights = by_category = _ring_weights(item)
        if item.max(initial=0) >= (width := candidates.category_matrix.shape[1]):
            by_category = _ring_weights(np.where(item < width, item, 0))
        return Ring(*to_device([item, weights, by_category], candidates.device))

    def __getitem__(self, rows: slice) -> "Ring":
        return Ring(self.item[rows], self.weights[rows], self.category_weights[rows])

    def allowed_weights(self, mask: Tensor) -> Tensor:
        """[p, 2, K] shares of the events whose items may be predicted, by `mask` [p or 1, N + 1]."""
        allowed = mask.expand(len(self.item), -1).gather(1, self.item)
        weights = self.weights * allowed.unsqueeze(1)
        return weights / weights.sum(2, keepdim=True).clamp_min(MIN_P)


def stored_items(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """[p, K] items of the stored events of rows [p], newest first; 0 where there is none."""
    ring = rows["ring_item"].shape[1]
    steps = rows["steps"].astype(np.int64)
    lag = np.arange(ring)
    item = rows["ring_item"][np.arange(len(rows))[:, None], (steps[:, None] - 1 - lag) % ring]
    return np.where(lag < steps[:, None], item, 0).astype(np.int64)


def _ring_weights(item: NDArray[np.int64]) -> NDArray[np.float32]:
    """[p, 2, K] shares of the events with an item, among items [p, K]: by age, and alike."""
    has_item = (item > 0).astype(np.float32)
    weights = np.empty((len(item), 2, item.shape[1]), np.float32)
    np.multiply(has_item, RECENT_DECAY ** np.arange(item.shape[1]), out=weights[:, 0], casting="same_kind")
    weights[:, 1] = has_item
    weights /= np.maximum(weights.sum(2, keepdims=True), np.float32(MIN_P))
    return weights


def popularity_of(block: MixtureBlock) -> tuple[Tensor, Tensor]:
    """Popularity [3, N + 1] that the components read, and its mass [p or 1, 3] among each one's candidates."""
    if block.outputs is None:
        uniform = torch.ones_like(block.candidate_mask[:1]) / max(block.candidate_mask.shape[1] - 1, 1)
        uniform[:, 0] = 0
        popular = uniform.expand(POPULAR.stop - POPULAR.start, -1)
        return popular, (block.candidate_mask @ popular.T).clamp_min(MIN_P)
    return block.outputs.popularity.p[POPULAR], block.outputs.popularity_mass[:, POPULAR]


def category_profile(candidates: Candidates, ring: Ring, known: int) -> Tensor:
    """[p, 2, C] categories of the stored events; items up to `known` are known."""
    item, weights = ring.item, ring.category_weights
    matrix = candidates.category_matrix  # [C, items]
    if matrix.is_sparse:
        index = item.unsqueeze(1).expand(-1, 2, -1)
        dense = weights.new_zeros(len(item), 2, known + 1).scatter_add_(2, index, weights)
        return candidates.category_p(dense.flatten(0, 1)).view(len(item), 2, -1)
    index = item.clamp(max=matrix.shape[1] - 1).repeat_interleave(2, 0)
    bag = torch.nn.functional.embedding_bag
    profile = bag(index, candidates.category_table, mode="sum", per_sample_weights=weights.flatten(0, 1))
    return profile.view(len(item), 2, -1)


class InterestComponents:
    """The components of p predictions, of which one block has the distributions."""

    def __init__(self, block: MixtureBlock, rows: NDArray[np.void], candidates: Candidates) -> None:
        """`rows` [p]: of the block's predictions, in order."""
        self._block, self._candidates = block, candidates
        self._mask = block.candidate_mask
        self._known = block.p.shape[1] - 1
        self._ring = Ring.of(stored_items(rows), self._known, candidates)
        self._popular, self._mass = popularity_of(block)
        (largest_p,) = to_host([block.p.amax(1).double()])
        self.confidence = log_confidence(largest_p)
        """[p] of the next event's most probable item"""

    def of_items(self, item: Tensor) -> Tensor:
        """[p, m, E] probability of items [p, m]; those of 0 are 0."""
        mask = self._mask.expand(len(item), -1).gather(1, item)
        popular = self._popular[:, item] / self._mass.T.unsqueeze(2) * mask  # [3, p, m]
        same = (self._ring.item.unsqueeze(1) == item.unsqueeze(2)) & (item > 0).unsqueeze(2)  # [p, m, K]
        profile = torch.einsum("pmk,pek->epm", same.float(), self._ring.allowed_weights(self._mask))
        return torch.cat([self._block.p.gather(1, item).unsqueeze(0), popular, profile]).permute(1, 2, 0)

    def of_categories(self) -> Tensor:
        """[p, E, C] probability of each category; what is missing to one is of items without category."""
        following = self._candidates.category_p(self._block.p)  # [p, C]
        popular = self._candidates.category_p(self._popular).expand(len(following), -1, -1)  # of all users
        profile = category_profile(self._candidates, self._ring, self._known)
        return torch.cat([following.unsqueeze(1), popular, profile], 1)

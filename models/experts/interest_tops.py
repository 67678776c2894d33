"""The most probable items and categories of interest over each horizon, collected block by block, mixed all at once."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.candidates import Candidates, largest
from models.experts.gate import log_confidence
from models.experts.interest_components import POPULAR, Ring, category_profile, popularity_of, ring_items
from models.experts.mixture import MixtureBlock
from models.transfers import to_device, to_host


class InterestTops:
    """Of U users. An item is found if it is among the 2 k most probable of a component: nearly all are."""

    def __init__(self, candidates: Candidates, rows: NDArray[np.void], items: int, categories: int) -> None:
        """`items`, `categories`: how many are listed."""
        self._candidates, users = candidates, len(rows)
        self._count = min(items, candidates.known)
        self.categories = min(categories, candidates.category_matrix.shape[0])
        """How many each user has"""
        self._wide = min(2 * self._count, candidates.known)
        (self._ring,) = to_device([ring_items(rows, candidates.known)], candidates.device)  # [U, K]
        self._listed = (1 + len(POPULAR)) * self._wide  # columns before those of the ring
        width, device = self._listed + self._ring.shape[1], candidates.device
        self._columns = torch.zeros(users, width, dtype=torch.long, device=device)
        self._next_p = torch.zeros(self._columns.shape, device=device)
        self._mask = torch.zeros(self._columns.shape, device=device)
        self._mass = torch.ones(users, len(POPULAR), device=device)
        self._next_category = torch.zeros(users, candidates.category_matrix.shape[0], device=device)
        self._popular: Tensor | None = None  # [3, N + 1], the same in all blocks
        self._popular_top = self._columns[:1, :0]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._columns.device

    def add(self, block: MixtureBlock, wanted: NDArray[np.int64], user: NDArray[np.int64]) -> None:
        """Read the distributions of some of a block's predictions [q], which are those of these users [q]."""
        popular, mass = popularity_of(block)
        if self._popular is None:
            self._popular = popular
            self._popular_top = largest(popular, self._wide)[1].flatten().unsqueeze(0)
        index, users = to_device([wanted, user], block.p.device)
        is_whole = len(wanted) == len(block.p)
        p = block.p if is_whole else block.p[index]
        mask = block.candidate_mask if is_whole or len(block.candidate_mask) == 1 else block.candidate_mask[index]
        column = torch.cat([largest(p, self._wide)[1], self._popular_top.expand(len(p), -1), self._ring[users]], 1)
        self._columns[users] = column
        self._next_p[users] = p.gather(1, column)
        self._mask[users] = mask.expand(len(p), -1).gather(1, column)
        self._mass[users] = mass if is_whole or len(mass) == 1 else mass[index]
        if self.categories:
            self._next_category[users] = self._candidates.category_p(p)

    def confidence(self) -> NDArray[np.float64]:
        """[U] of the next event's most probable item; to be asked once all blocks are read."""
        if not self._wide:
            return log_confidence(np.zeros(len(self._columns)))
        (largest_p,) = to_host([self._next_p[:, 0].double()])
        return log_confidence(largest_p)

    def items(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Items [U, H, k] with the largest mixed probability, and that, of shares [U, H, E] of the components."""
        ring = self._ring * (self._mask[:, self._listed :] > 0)
        if self._popular is None or not self._count:
            nothing = self._mask.new_zeros(*shares.shape[:2], 0)
            return nothing.long(), nothing
        weight = Ring.weights(ring)
        weight = torch.cat([weight.new_zeros(2, len(ring), self._listed), weight], 2)  # [2, U, M]
        column, order = torch.cat([self._columns[:, : self._listed], ring], 1).sort(1)
        # An item has one column: the last of those alike, with what the user's events give all of them.
        total = weight.gather(2, order.expand(2, -1, -1)).cumsum(2)
        is_last = torch.ones_like(column, dtype=torch.bool)
        is_last[:, :-1] = column[:, 1:] != column[:, :-1]
        at_last = torch.where(is_last, total, 0).cummax(2).values
        before = torch.cat([at_last.new_zeros(2, len(ring), 1), at_last[:, :, :-1]], 2)
        next_p, mask = (part.gather(1, order) for part in (self._next_p, self._mask))
        popular_p = self._popular[:, column] / self._mass.T.unsqueeze(2) * mask
        p = torch.cat([next_p.unsqueeze(0), popular_p, total - before])  # [E, U, M]
        mixed = torch.einsum("phe,epm->phm", shares, p) * (is_last & (column > 0)).unsqueeze(1)
        top_p, place = mixed.topk(min(self._count, mixed.shape[2]), 2)
        top = column.unsqueeze(1).expand_as(mixed).gather(2, place)
        return top * (top_p > 0), top_p

    def top_categories(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Categories [U, H, m] with the largest mixed probability, -1 where there are fewer, and that."""
        if self._popular is None or not self.categories:
            nothing = self._mask.new_zeros(*shares.shape[:2], 0)
            return nothing.long(), nothing
        popular = self._candidates.category_p(self._popular).expand(len(self._ring), -1, -1)
        profile = category_profile(self._candidates, self._ring, self._popular.shape[1])
        p = torch.cat([self._next_category.unsqueeze(1), popular, profile], 1)  # [U, E, C]
        top_p, top = torch.einsum("phe,pec->phc", shares, p).topk(self.categories, 2)
        return top.masked_fill(top_p <= 0, -1), top_p

"""The most probable items and categories of interest over each horizon, collected block by block, mixed all at once."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.experts.candidates import Candidates
from models.experts.gate import log_confidence
from models.experts.horizons.interest_components import POPULAR, Ring, category_profile, popularity_of
from models.experts.mixture import MixtureBlock
from models.experts.popular_interest import PopularInterest
from models.transfers import to_host


class InterestTops:
    """Of U users. An item is found if it is among the 2 k most probable of a component: nearly all are.

    Such items are listed, once each, with what every component gives them; the mixtures are of these alone.
    """

    def __init__(
        self,
        candidates: Candidates,
        popular: PopularInterest,
        stored_items: NDArray[np.int64],
        items: int,
        categories: int,
        filters: bool,
    ) -> None:
        """`stored_items` [U, K]: of the events that their rows hold, newest first, 0 where there is none.

        `items`, `categories`: how many are returned of each user; `filters`: no item comes back that the user had.
        """
        self._candidates, self._popular = candidates, popular
        self._count = min(items, candidates.known)
        self.categories = min(categories, candidates.category_matrix.shape[0])
        """How many each user has"""
        self._wide = min(2 * self._count, candidates.known)
        self._filters = filters
        self._ring = Ring.of(stored_items, candidates.known, candidates)
        self._listed: list[tuple[Tensor, ...]] = []  # parts of users, in order

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._candidates.device

    def add(self, block: MixtureBlock, wanted: NDArray[np.int64] | None, users: slice) -> None:
        """Read the distributions of some of a block's predictions [q], which are those of the users that come next.

        `wanted` None: of all.
        """
        if not self._count:
            return
        candidates = self._candidates
        popular, mass = popularity_of(block)
        if not self._listed:
            self._popular.refresh(candidates, popular, self._wide, len(self._ring.item))
        p, mask, largest_p, largest = block.p, block.candidate_mask, *candidates.top(block.p, self._wide)
        category_p = candidates.category_p(p) if self.categories else p[:, :0]
        if wanted is not None:
            index = torch.from_numpy(wanted).to(p.device)
            p, largest_p, largest, category_p = (part[index] for part in (p, largest_p, largest, category_p))
            mask, mass = (part if len(part) == 1 else part[index] for part in (mask, mass))
        ring, has_mask = self._ring[users], self._filters or candidates.has_inactive
        column = torch.cat([largest, self._popular.columns.expand(len(p), -1), ring.item], 1)  # [q, M]
        # The last of those alike is kept: an item is listed once.
        number = torch.arange(column.shape[1], dtype=torch.int32, device=p.device).expand_as(column)
        last = torch.empty(p.shape, dtype=torch.int32, device=p.device).scatter_(1, column, number).gather(1, column)
        is_kept = (last == number).float()
        if has_mask:
            is_kept *= mask.expand(len(p), -1).gather(1, column)
        weights = ring.allowed_weights(mask) if has_mask else ring.weights
        both = column.unsqueeze(1).expand(-1, 2, -1)
        profile = p.new_empty(len(p), 2, p.shape[1]).scatter_(2, both, 0)
        profile.scatter_add_(2, ring.item.unsqueeze(1).expand(-1, 2, -1), weights)
        of_next, of_popular = p.gather(1, column).unsqueeze(1), popular[:, column].transpose(0, 1)
        component_p = torch.cat([of_next, of_popular, profile.gather(2, both)], 1)  # [q, E, M]
        self._listed.append((column, component_p, is_kept, mass.expand(len(p), -1), largest_p[:, :1], category_p))

    def finish(self) -> None:
        """To be called once all blocks are read, before what follows."""
        if self._listed:
            parts = zip(*self._listed, strict=True)
            self._listed = [self._listed[0] if len(self._listed) == 1 else tuple(torch.cat(part) for part in parts)]

    def confidence(self) -> NDArray[np.float64]:
        """[U] of the next event's most probable item."""
        if not self._listed:
            return log_confidence(np.zeros(len(self._ring.item)))
        (largest_p,) = to_host([self._listed[0][4].squeeze(1).double()])
        return log_confidence(largest_p)

    def items(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Items [U, H, k] with the largest mixed probability, and that, of shares [U, H, E] of the components."""
        if not self._listed:
            nothing = shares[:, :, :0]
            return nothing.long(), nothing
        column, component_p, is_kept, mass = self._listed[0][:4]
        confined = shares.clone()
        confined[:, :, POPULAR] /= mass.unsqueeze(1)
        mixed = torch.bmm(confined, component_p) * is_kept.unsqueeze(1)
        top_p, place = mixed.topk(min(self._count, mixed.shape[2]), 2)
        top = column.unsqueeze(1).expand_as(mixed).gather(2, place)
        return top * (top_p > 0), top_p

    def top_categories(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Categories [U, H, m] with the largest mixed probability, -1 where there are fewer, and that."""
        if not self._listed or not self.categories:
            nothing = shares[:, :, :0]
            return nothing.long(), nothing
        following = self._listed[0][5]
        popular = self._popular.category_p.expand(len(following), -1, -1)
        profile = category_profile(self._candidates, self._ring, self._candidates.known)
        p = torch.cat([following.unsqueeze(1), popular, profile], 1)  # [U, E, C]
        top_p, top = torch.bmm(shares, p).topk(self.categories, 2)
        return top.masked_fill(top_p <= 0, -1), top_p

"""Rules that hold while a slate is filled place by place, so that propensities account for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.policy.log_determinant import LogDeterminantGain
from models.policy.slate import NO_ITEM, BoolArray, CandidateBatch, FloatArray, IntArray

MMR: Final = "mmr"
DPP: Final = "dpp"


@dataclass(frozen=True, slots=True)
class SlateRules:
    """Rules for all slates of a policy; by default none.

    `ValueError` for values out of range.
    """

    max_per_category: int | None = None
    """Places of a slate that may show one category"""
    diversity: float = 0.0
    """Weight of the slate's diversity, in units of the score; see `diversity_by`"""
    fresh_share: float = 0.0
    """Share of the places that show one of the fresh candidates, each with equal probability, whatever its score"""
    diversity_by: str = MMR
    """MMR, maximal marginal relevance: `diversity` is taken from the score for each earlier place of the category.
    DPP, a determinantal point process: `diversity` times the gain in log det of the slate's similarities is added to
    it, so that the best next item is the greedy step to the most probable slate; it knows all categories of an item"""

    def __post_init__(self) -> None:
        if self.max_per_category is not None and self.max_per_category < 1:
            raise ValueError("max_per_category must be at least 1, or None for no limit")
        if self.diversity < 0 or not 0 <= self.fresh_share <= 1:
            raise ValueError("diversity must not be negative, and fresh_share must be from 0 to 1")
        if self.diversity_by not in (MMR, DPP):
            raise ValueError(f"diversity_by must be {MMR} or {DPP}, not {self.diversity_by!r}")


class PlacesFilled:
    """What the rules make of the next place of B slates, given the places before it."""

    def __init__(self, rules: SlateRules, batch: CandidateBatch) -> None:
        self._rules = rules
        self._batch = batch
        self._rows = np.arange(len(batch.items))
        self.available = batch.available()
        """[B, C] the candidates that may take the next place"""
        by_determinant = rules.diversity > 0 and rules.diversity_by == DPP
        needs_category = rules.max_per_category is not None or (rules.diversity > 0 and not by_determinant)
        if needs_category and batch.category is None:
            raise ValueError("max_per_category and diversity need the categories of the candidates")
        self._same_category = np.zeros(batch.items.shape, np.int64) if needs_category else None
        self._determinant = LogDeterminantGain(batch) if by_determinant else None

    def fill(self, position: IntArray) -> None:
        """Fill the next place of each slate with the candidate at this position [B], NO_ITEM where there is none."""
        filled = self._rows[position != NO_ITEM]
        self.available[filled, position[filled]] = False
        if self._determinant is not None:
            self._determinant.fill(position)
        if self._same_category is None or self._batch.category is None:
            return
        category = self._batch.category
        self._same_category[filled] += category[filled] == category[filled, position[filled]][:, None]
        if self._rules.max_per_category is not None:
            self.available &= self._same_category < self._rules.max_per_category

    def adjusted(self, scores: FloatArray) -> FloatArray:
        """The scores [D, B, C] less what the rules take from them."""
        if self._determinant is not None:
            return np.asarray(scores + self._rules.diversity * self._determinant.gain)
        if self._rules.diversity == 0 or self._same_category is None:
            return scores
        return np.asarray(scores - self._rules.diversity * self._same_category)

    def with_fresh(self, p: FloatArray) -> FloatArray:
        """The policy's probabilities `p` [B, C], mixed with the choice among the fresh candidates, if there are any."""
        if self._rules.fresh_share == 0 or self._batch.fresh is None:
            return p
        fresh: BoolArray = self._batch.fresh & self.available
        count = fresh.sum(-1, keepdims=True)
        share = np.where(count > 0, self._rules.fresh_share, 0.0)
        return np.asarray((1 - share) * p + share * fresh / np.maximum(count, 1))

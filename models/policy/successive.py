"""Slates by successive choice: each place is drawn from the candidates that the places before it left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from models.policy.choice import sample
from models.policy.rules import PlacesFilled, SlateRules
from models.policy.slate import (
    NO_ITEM,
    BoolArray,
    CandidateBatch,
    Candidates,
    FloatArray,
    IntArray,
    Outcomes,
    Slate,
    SlateBatch,
)


class SuccessiveChoice(ABC):
    """A policy that scores the candidates once, and draws place after place by probabilities of these scores.

    What a subclass scores may be random (D draws of the scores); the propensities are exact given the draws.
    """

    name: ClassVar[str]

    def __init__(self, rules: SlateRules | None = None) -> None:
        self.rules = rules or SlateRules()
        self.version = 0

    def act(self, candidates: Candidates, size: int, random: np.random.Generator) -> Slate:
        """As `Policy.act`."""
        slates = self.act_batch(candidates.batch(), size, random)
        filled = slates.chosen[0] != NO_ITEM
        return Slate(slates.chosen[0, filled], slates.propensities[0, filled])

    def act_batch(self, batch: CandidateBatch, size: int, random: np.random.Generator) -> SlateBatch:
        """As `Policy.act_batch`."""
        scores, filled = self._scores(batch, random), PlacesFilled(self.rules, batch)
        shape = len(batch.items), size
        chosen, propensities = np.full(shape, NO_ITEM), np.ones(shape)
        for place in range(size):
            p = self._next_p(scores, filled)
            chosen[:, place], propensities[:, place] = sample(p, random)
            filled.fill(chosen[:, place])
        return SlateBatch(chosen, propensities)

    def propensities(self, batch: CandidateBatch, chosen: IntArray, random: np.random.Generator) -> FloatArray:
        """As `Policy.propensities`; 0 where the policy or its rules would not choose so."""
        p = self.slate_probabilities(batch, chosen, random)
        of_chosen = np.take_along_axis(p, np.maximum(chosen, 0)[..., None], 2)[..., 0]
        return np.where(chosen == NO_ITEM, p.sum(-1) == 0, of_chosen)

    def slate_probabilities(self, batch: CandidateBatch, chosen: IntArray, random: np.random.Generator) -> FloatArray:
        """[B, K, C] probabilities of all candidates at each place, after these choices [B, K] at the places before it.

        All zero where no candidate is left.
        """
        scores, filled = self._scores(batch, random), PlacesFilled(self.rules, batch)
        p = np.zeros((*chosen.shape, batch.items.shape[1]))
        for place in range(chosen.shape[1]):
            p[:, place] = self._next_p(scores, filled)
            filled.fill(chosen[:, place])
        return p

    @abstractmethod
    def learn(self, outcomes: Outcomes) -> None:
        """As `Policy.learn`."""

    @abstractmethod
    def state(self) -> bytes:
        """As `Policy.state`."""

    @abstractmethod
    def _scores(self, batch: CandidateBatch, random: np.random.Generator) -> FloatArray:
        """[D, B, C] scores of all candidates, whether present or not; D = 1 where they are not random."""

    @abstractmethod
    def _choice(self, scores: FloatArray, available: BoolArray) -> FloatArray:
        """[B, C] probabilities of the next place; all zero in rows where nothing is available."""

    def _next_p(self, scores: FloatArray, filled: PlacesFilled) -> FloatArray:
        return filled.with_fresh(self._choice(filled.adjusted(scores), filled.available))

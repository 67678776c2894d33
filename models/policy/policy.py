"""The interface of policies."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from models.policy.slate import CandidateBatch, Candidates, FloatArray, IntArray, Outcomes, Slate, SlateBatch


class Policy(Protocol):
    """Chooses slates, and learns from their rewards. `models.policy.saved.policy_from` restores one from its state."""

    @property
    def name(self) -> str:
        """The kind of policy, as in `models.policy.saved.POLICIES`."""
        ...

    @property
    def version(self) -> int:
        """Batches learnt: with the name, which state of the policy a propensity is of."""
        ...

    def act(self, candidates: Candidates, size: int, random: np.random.Generator) -> Slate:
        """A slate of up to `size` places, none of its items twice, and the propensity of each place."""
        ...

    def act_batch(self, batch: CandidateBatch, size: int, random: np.random.Generator) -> SlateBatch:
        """As `act`, for B decisions that do not depend on each other."""
        ...

    def propensities(self, batch: CandidateBatch, chosen: IntArray, random: np.random.Generator) -> FloatArray:
        """[B, K] with which the policy would choose these slates [B, K]: what off-policy evaluation asks for."""
        ...

    def learn(self, outcomes: Outcomes) -> None:
        """Learn from these decisions, whichever policy made them."""
        ...

    def state(self) -> bytes:
        """All that acting and learning need, settings included."""
        ...

"""What a policy chooses from, what it has chosen, and what came of it. In batches, B decisions have equal shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NO_ITEM = -1
"""Position of a place for which no candidate was left"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """C items that one decision may show. Its last four fields may be left out."""

    items: IntArray
    """[C] indices of the items, from 0, the same in all decisions"""
    interest: FloatArray
    """[C] probability of the prediction"""
    features: FloatArray
    """[C, F] of item and user together; F is the same in all decisions of a policy"""
    context: FloatArray = field(default_factory=lambda: np.zeros(0))
    """[S] of the user alone: interest by category, recent feedback; used by the deep Q-network"""
    category: IntArray | None = None
    """[C] for caps per category and diversity"""
    fresh: BoolArray | None = None
    """[C] new items, which get guaranteed exploration"""
    categories: IntArray | None = None
    """[C, M] all categories of each, -1 where it has fewer than M; for diversity by determinants"""

    def batch(self) -> CandidateBatch:
        """The decision as a batch of one."""
        return CandidateBatch(
            self.items[None],
            self.interest[None],
            self.features[None],
            self.context[None],
            None if self.category is None else self.category[None],
            None if self.fresh is None else self.fresh[None],
            None,
            None if self.categories is None else self.categories[None],
        )

    def take(self, positions: IntArray | BoolArray) -> Candidates:
        """The candidates at these positions [n], or where a mask [C] holds."""
        return Candidates(
            self.items[positions],
            self.interest[positions],
            self.features[positions],
            self.context,
            None if self.category is None else self.category[positions],
            None if self.fresh is None else self.fresh[positions],
            None if self.categories is None else self.categories[positions],
        )


@dataclass(frozen=True, slots=True)
class CandidateBatch:
    """Candidates of B decisions, all fields of `Candidates` with a first dimension B."""

    items: IntArray  # [B, C]
    interest: FloatArray  # [B, C]
    features: FloatArray  # [B, C, F]
    context: FloatArray  # [B, S]
    category: IntArray | None = None  # [B, C]
    fresh: BoolArray | None = None  # [B, C]
    present: BoolArray | None = None
    """[B, C] false where a row has fewer candidates than C; None: all are there"""
    categories: IntArray | None = None  # [B, C, M]

    def available(self) -> BoolArray:
        """[B, C] a copy of `present`."""
        return np.ones(self.items.shape, np.bool_) if self.present is None else self.present.copy()


@dataclass(frozen=True, slots=True)
class Slate:
    """K places of one decision, the first place first; fewer than asked for where candidates or rules leave no more."""

    chosen: IntArray
    """[K] positions in the candidates"""
    propensities: FloatArray
    """[K] probability of this choice at this place, given the places before it"""


@dataclass(frozen=True, slots=True)
class SlateBatch:
    """Slates of B decisions. Where no candidate was left, the position is NO_ITEM and the propensity 1."""

    chosen: IntArray  # [B, K]
    propensities: FloatArray  # [B, K]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """B decisions that were shown, with their rewards, in order of time; what a policy learns from."""

    users: IntArray
    """[B] indices or hashes of the users: consecutive decisions of one are linked by them"""
    items: IntArray
    """[B, K] indices of the items that were shown; NO_ITEM where a slate has fewer places"""
    interest: FloatArray  # [B, K] of the items shown, as `Candidates.interest`
    features: FloatArray  # [B, K, F] of the items shown
    context: FloatArray  # [B, S]
    propensities: FloatArray  # [B, K]
    rewards: FloatArray
    """[B, K] of each place; 0 where no feedback came until the horizon"""
    weights: FloatArray | None = None
    """[B, K] influence of each place on learning, from 0 to 1, as `models.policy.guard` gives it; None: 1"""
    category: IntArray | None = None
    """[B, K] of each item, -1 where there is none: the deep Q-network looks for it in later decisions"""

    def __len__(self) -> int:
        return len(self.users)


def outcomes_of(
    users: IntArray,
    batch: CandidateBatch,
    slates: SlateBatch,
    rewards: FloatArray,
    weights: FloatArray | None = None,
) -> Outcomes:
    """Outcomes of slates chosen from the batch, with the rewards [B, K] of their places."""
    rows, chosen = np.arange(len(users))[:, None], slates.chosen
    return Outcomes(
        users,
        np.where(chosen == NO_ITEM, NO_ITEM, batch.items[rows, chosen]),
        batch.interest[rows, chosen],
        batch.features[rows, chosen],
        batch.context,
        slates.propensities,
        rewards,
        weights,
        None if batch.category is None else np.where(chosen == NO_ITEM, -1, batch.category[rows, chosen]),
    )

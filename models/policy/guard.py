"""Guard against users who click one item at every sight: what they do with it is not learnt for long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.policy.slate import IntArray, Outcomes

_PRIME_USER: Final = np.uint64(0x9E3779B97F4A7C15)
_PRIME_ITEM: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_MOST_SAVED: Final = 16_384


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Settings of `InfluenceGuard`."""

    plausible_rate: float = 0.5
    """Share of the sights of an item that the most interested user rewards"""
    attack_rate: float = 0.9
    """Share that somebody rewards who pushes the item"""
    evidence: float = 3.0
    """Logarithm of the likelihood ratio from which on a user is taken for the latter"""
    buckets: int = 1 << 20
    """Pairs of user and item are counted in so many; 8 bytes each"""


class InfluenceGuard:
    """Takes pairs of user and item out of learning while it is likely that the user pushes the item.

    Each sight adds the log-likelihood ratio of both rates to the sum of the pair, which does not fall below 0 (Page's
    CUSUM): of the defaults, 0.59 with a reward, -1.6 without. So of somebody who rewards an item at every sight, five
    rewards count, and who lets sights pass is believed again. A reward counts once, whatever its size. Pairs that share
    a bucket are counted together.
    """

    def __init__(self, settings: GuardSettings | None = None) -> None:
        self.settings = settings or GuardSettings()
        plausible, attack = self.settings.plausible_rate, self.settings.attack_rate
        self._rewarded, self._missed = log(attack / plausible), log((1 - attack) / (1 - plausible))
        self._sums = np.zeros(self.settings.buckets)
        self.left_out = 0
        """Places that were taken out of learning so far"""

    def weighted(self, outcomes: Outcomes) -> Outcomes:
        """The outcomes with weight 0 at the places of such pairs; counts them, so call it once for each."""
        shown = outcomes.items >= 0
        users = np.broadcast_to(outcomes.users[:, None], outcomes.items.shape)[shown]
        bucket = self._bucket(users, outcomes.items[shown])
        np.add.at(self._sums, bucket, np.where(outcomes.rewards[shown] > 0, self._rewarded, self._missed))
        limit = self.settings.evidence
        # At most one sight above the evidence: one that is missed leads back.
        self._sums[bucket] = np.clip(self._sums[bucket], 0, limit + self._rewarded)
        pushes = self._sums[bucket] > limit
        self.left_out += int(pushes.sum())
        before = np.ones(outcomes.items.shape) if outcomes.weights is None else outcomes.weights
        weights = np.array(before, np.float64)
        weights[shown] *= np.where(pushes, 0.0, 1.0)
        return replace(outcomes, weights=weights)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The counts for `restore`: of the _MOST_SAVED pairs with the most evidence, so that they stay small."""
        bucket = np.flatnonzero(self._sums)
        if len(bucket) > _MOST_SAVED:
            bucket = np.sort(bucket[np.argpartition(self._sums[bucket], -_MOST_SAVED)[-_MOST_SAVED:]])
        return {"bucket": bucket.astype(np.int32), "sum": self._sums[bucket]}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `arrays` of a guard with the same settings. Raises KeyError, IndexError, ValueError for others."""
        sums = np.zeros(self.settings.buckets)
        sums[arrays["bucket"]] = arrays["sum"]
        self._sums = np.clip(sums, 0, self.settings.evidence + self._rewarded)

    def _bucket(self, users: IntArray, items: IntArray) -> IntArray:
        mixed = users.astype(np.uint64) * _PRIME_USER ^ (items.astype(np.uint64) + np.uint64(1)) * _PRIME_ITEM
        mixed ^= mixed >> np.uint64(29)
        return ((mixed * _PRIME_ITEM) >> np.uint64(20)).astype(np.int64) % self.settings.buckets

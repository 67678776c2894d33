"""Guard against users who click one item at every sight: what they do with it is not learnt for long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.data.growable_array import grown
from models.policy.slate import BoolArray, IntArray, Outcomes

_PRIME_USER: Final = np.uint64(0x9E3779B97F4A7C15)
_PRIME_ITEM: Final = np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Settings of `InfluenceGuard`."""

    rate_factor: float = 3.0
    """A user may reward an item so many times as often as all users do"""
    max_rate: float = 0.5
    """But not more often than in this share of the sights"""
    deviations: float = 3.0
    """Standard deviations above that which may be luck"""
    free_rewards: float = 2.0
    """Rewards above that which count in any case"""
    half_life_places: float = 1e6
    """Places after which a sight counts half"""
    buckets: int = 1 << 18
    """Pairs of user and item are counted in so many; 16 bytes each"""


class InfluenceGuard:
    """Counts sights and rewards of each pair of user and item, and takes implausible pairs out of learning.

    A pair is implausible while its rewards exceed p n + d sqrt(p (1 - p) n) + free, with n sights and p the rate that
    is plausible for the item. So of a user who rewards an item at every sight a few rewards count, however often he
    sees it: as many as n with (1 - p) n <= d sqrt(p (1 - p) n) + free, which are 16 at most. A reward counts once per
    place, whatever its size. Pairs that share a bucket are counted together.
    """

    def __init__(self, settings: GuardSettings | None = None) -> None:
        self.settings = settings or GuardSettings()
        self._sights, self._rewarded = np.zeros(self.settings.buckets), np.zeros(self.settings.buckets)
        self._item_sights, self._item_rewarded = np.zeros(0), np.zeros(0)
        self._places = 0.0
        self.left_out = 0
        """Places that were taken out of learning so far"""

    def weighted(self, outcomes: Outcomes) -> Outcomes:
        """The outcomes with weight 0 at the places of implausible pairs; counts them, so call it once for each."""
        shown = outcomes.items >= 0
        items = outcomes.items[shown]
        users = np.broadcast_to(outcomes.users[:, None], outcomes.items.shape)[shown]
        rewarded = (outcomes.rewards[shown] > 0) * 1.0
        bucket = self._bucket(users, items)
        self._forget(len(items))
        rows = int(items.max(initial=-1)) + 1
        self._item_sights, self._item_rewarded = grown(self._item_sights, rows), grown(self._item_rewarded, rows)
        for counts, index, amount in (
            (self._sights, bucket, np.ones(len(items))),
            (self._rewarded, bucket, rewarded),
            (self._item_sights, items, np.ones(len(items))),
            (self._item_rewarded, items, rewarded),
        ):
            np.add.at(counts, index, amount)
        implausible = self._implausible(bucket, items)
        self.left_out += int(implausible.sum())
        before = np.ones(outcomes.items.shape) if outcomes.weights is None else outcomes.weights
        weights = np.array(before, np.float64)
        weights[shown] *= np.where(implausible, 0.0, 1.0)
        return replace(outcomes, weights=weights)

    def _implausible(self, bucket: IntArray, items: IntArray) -> BoolArray:
        settings = self.settings
        # One reward of ten sights is what is thought of an item before it was seen.
        item_rate = (self._item_rewarded[items] + 1) / (self._item_sights[items] + 10)
        p, n = np.minimum(settings.rate_factor * item_rate, settings.max_rate), self._sights[bucket]
        limit = p * n + settings.deviations * np.sqrt(p * (1 - p) * n) + settings.free_rewards
        return np.asarray(self._rewarded[bucket] > limit)

    def _bucket(self, users: IntArray, items: IntArray) -> IntArray:
        mixed = users.astype(np.uint64) * _PRIME_USER ^ (items.astype(np.uint64) + np.uint64(1)) * _PRIME_ITEM
        mixed ^= mixed >> np.uint64(29)
        return ((mixed * _PRIME_ITEM) >> np.uint64(20)).astype(np.int64) % self.settings.buckets

    def _forget(self, places: int) -> None:
        """All counts are halved at once, when a half-life is over."""
        self._places += places
        if self._places >= self.settings.half_life_places:
            self._places = 0.0
            for counts in (self._sights, self._rewarded, self._item_sights, self._item_rewarded):
                counts *= 0.5

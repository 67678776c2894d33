"""Assignment of users to the arms of an experiment, by hashes alone: every process computes the same, and stores none.

Hash and partition, as in Kohavi, Longbotham, Sommerfield and Henne, "Controlled experiments on the web: survey and
practical guide", 2009, section 4.1.2: the hash of a salt and a user's id, as a number in [0, 1), never changes,
and those of different salts are independent.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

_HOLDOUT_SALT: Final = "holdout"


def hash_fraction(salt: str, user_id: str) -> float:
    """A number in [0, 1) by salt and user, evenly distributed over users."""
    digest = hashlib.blake2b(f"{len(salt)}:{salt}{user_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2.0**53


@dataclass(frozen=True, slots=True)
class Assignment:
    """How users are divided between arms.

    Three independent hashes decide: one that all experiments share, whether the user is held out of experiments; one
    of the experiment, whether the user takes part; another of the experiment, in which arm. So a larger `traffic` adds
    users and moves none, and who is held out of one experiment is held out of all with the same or a larger `holdout`.
    """

    salt: str
    """Of this experiment alone"""
    weights: Sequence[float]
    """Of the arms, in their order; positive"""
    traffic: float = 1.0
    """Share of the users who are not held out that takes part"""
    holdout: float = 0.0
    """Share of all users that no experiment may touch"""

    def arm(self, user_id: str) -> int | None:
        """Index of the user's arm; None for one who takes no part."""
        if (
            hash_fraction(_HOLDOUT_SALT, user_id) < self.holdout
            or hash_fraction(f"{self.salt}/traffic", user_id) >= self.traffic
        ):
            return None
        bounds = list(accumulate(self.weights))
        arm = bisect_right(bounds, hash_fraction(f"{self.salt}/arm", user_id) * bounds[-1])
        return min(arm, len(bounds) - 1)

"""A made-up population: users who arrive one after another and choose items by a taste, which their profile shows.

A profile is a linear map of the taste and noise, each number in another unit, as those of a survey or a form would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog
from models.data.event_types import type_index

PROFILE_WIDTH = 12
DAY_MS = 86_400_000
_FIRST_MS = 1_731_888_000_000
_STAY_DAYS = 2.0
"""Within these after their arrival users have all their events"""
_TASTE_WIDTH = 4
_TASTE, _NOISE = 3.0, 0.5
"""How much taste weighs in a choice; standard deviation of the noise in a profile"""


@dataclass(frozen=True, slots=True)
class Population:
    """Users with what is known of them, and their events."""

    events: EventLog
    items: int
    profile: NDArray[np.float32]
    """[users, PROFILE_WIDTH]"""
    best_recall_at_10: float
    """Of who knows each user's taste"""


def made_up(users: int, days: int, items: int, events_per_user: float, seed: int) -> Population:
    """Users who arrive within `days`, with one event at least each."""
    random = np.random.default_rng(seed)
    being = random.standard_normal((items, _TASTE_WIDTH)) / np.sqrt(_TASTE_WIDTH)
    taste = random.standard_normal((users, _TASTE_WIDTH)) * _TASTE
    count = 1 + random.poisson(events_per_user - 1, users)
    user = np.repeat(np.arange(users), count)
    arrival = np.sort(random.uniform(0, days, users))
    time_ms = _FIRST_MS + ((arrival[user] + random.uniform(0, _STAY_DAYS, len(user))) * DAY_MS).astype(np.int64)
    score = (taste @ being.T)[user]  # [n, items]
    chosen = (score + random.gumbel(size=score.shape)).argmax(1)
    best = np.argpartition(-score, 10, axis=1)[:, :10]
    order = np.argsort(time_ms, kind="stable")
    index = _by_first_event(chosen[order])
    n = len(user)
    nothing = np.full(n, np.nan), np.full(n, "", dtype=np.object_)
    log = EventLog(user[order], index, time_ms[order], np.full(n, type_index("click")), *nothing)
    profile = taste @ random.standard_normal((_TASTE_WIDTH, PROFILE_WIDTH))
    profile += random.standard_normal(profile.shape) * _NOISE * _TASTE
    unit, offset = 10.0 ** random.uniform(-3, 3, PROFILE_WIDTH), random.uniform(-100, 100, PROFILE_WIDTH)
    hits = float((best == chosen[:, None]).any(1).mean())
    return Population(log, int(index.max()), ((profile + offset) * unit).astype(np.float32), hits)


def _by_first_event(item: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices from 1 in the order of first events, as the item register gives them."""
    _, first, inverse = np.unique(item, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse] + 1

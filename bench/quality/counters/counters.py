"""Counters: what a recommender team already counts, one event at a time.

Knows nothing of scoring. Every counter takes its settings with the question, so that one count serves many of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.quality.counters.cooccurrence import Successors

Repeats = Literal["allow", "filter"]

_LARGEST = 1e100
_LAST = 20
"""Items of the user that the mix looks at"""
_WINDOW = 10
"""Events between two items that still count as following"""
_RECENCY_DECAY = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be turned; a counter uses those that it has."""

    half_life: float
    """Events after which popularity is worth half"""
    popularity: float = 0.02
    """Weight of popularity beside that of what follows"""
    skip_decay: float = 0.85
    """Weight of an earlier item's successors over that of the next later item's"""
    recency: float = 0.0
    """Weight of the user's last items themselves"""


DEFAULTS = {"filter": Settings(100_000), "allow": Settings(50, recency=1.0)}
"""Settings to begin with, by whether users come back to items"""


def grid(repeats: Repeats) -> list[Settings]:
    """Settings to choose from."""
    half_lives = (50.0, 1_000.0, 100_000.0)
    recencies = (0.0, 0.1, 1.0) if repeats == "allow" else (0.0,)
    return [Settings(*each) for each in product(half_lives, (0.02, 0.3), (0.5, 0.7, 0.85), recencies)]


class Counter(Protocol):
    """What users share."""

    def weights(self, before: Sequence[int], known: int, settings: Settings) -> NDArray[np.float64]:
        """[known + 1] weight of each item for a user with these items, oldest first; new, not negative."""

    def observe(self, before: Sequence[int], item: int) -> None:
        """The item came after `before`."""


class _Decayed:
    """Counts of items at one half-life."""

    def __init__(self, half_life: float) -> None:
        self._growth = 2.0 ** (1.0 / half_life)
        # Each new event weighs more, instead of all old ones less: the number of items does not matter.
        self._next = 1.0
        self._total = 0.0
        self._counts = np.zeros(1024)

    def shares(self, known: int) -> NDArray[np.float64]:
        self._grow(known)
        return self._counts[: known + 1] / max(self._total, 1.0)

    def observe(self, item: int) -> None:
        self._grow(item)
        self._counts[item] += self._next
        self._total += self._next
        self._next *= self._growth
        if self._next > _LARGEST:
            self._counts /= self._next
            self._total /= self._next
            self._next = 1.0

    def _grow(self, item: int) -> None:
        if item >= len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros((1 << item.bit_length()) - len(self._counts))])


class Popularity:
    """Counts of items, decayed."""

    def __init__(self, variants: Sequence[Settings]) -> None:
        self._decayed = {each.half_life: _Decayed(each.half_life) for each in variants}

    def weights(self, before: Sequence[int], known: int, settings: Settings) -> NDArray[np.float64]:
        """Shares of all events, whoever the user."""
        return self._decayed[settings.half_life].shares(known)

    def observe(self, before: Sequence[int], item: int) -> None:
        """Count the item."""
        for each in self._decayed.values():
            each.observe(item)


class Markov:
    """What followed the user's last item, backed off to popularity."""

    def __init__(self, variants: Sequence[Settings]) -> None:
        self._popularity = Popularity(variants)
        self._successors = Successors(window=1)

    def weights(self, before: Sequence[int], known: int, settings: Settings) -> NDArray[np.float64]:
        """Shares of the last item's successors, and a little popularity."""
        weight = self._popularity.weights(before, known, settings) * settings.popularity
        if before:
            self._successors.add_row(weight, before[-1], 1.0, 1.0)
        return weight

    def observe(self, before: Sequence[int], item: int) -> None:
        """Count the item, by itself and after the one before it."""
        self._popularity.observe(before, item)
        self._successors.observe(before, item)


class Mix:
    """What followed the user's last 20 items (skip-Markov), these items themselves (recency), and popularity."""

    def __init__(self, variants: Sequence[Settings]) -> None:
        self._popularity = Popularity(variants)
        self._successors = Successors(_WINDOW)

    def weights(self, before: Sequence[int], known: int, settings: Settings) -> NDArray[np.float64]:
        """Skip-Markov at weight 1, the others at theirs; each part sums to its weight."""
        weight = np.zeros(known + 1)
        last = before[: -_LAST - 1 : -1]
        for lag, item in enumerate(last):
            self._successors.add_row(weight, item, settings.skip_decay**lag, 0.5)
        total = weight.sum()
        if total > 0:
            weight /= total
        if settings.recency and last:
            recency = _RECENCY_DECAY ** np.arange(len(last))
            np.add.at(weight, last, settings.recency * recency / recency.sum())
        weight += self._popularity.weights(before, known, settings) * settings.popularity
        return weight

    def observe(self, before: Sequence[int], item: int) -> None:
        """Count the item, by itself and after the ten before it."""
        self._popularity.observe(before, item)
        self._successors.observe(before, item)

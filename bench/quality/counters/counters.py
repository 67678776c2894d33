"""Count-based baselines: decayed popularity, a Markov chain, and a mix of both with recency.

They count one event at a time, and share no code with the worker that they are compared with. Settings are passed with
each query, so that one set of counts serves many settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.quality.counters.cooccurrence import SuccessorCounts

_MAX_WEIGHT = 1e100
"""Weight of a new event above which all counts are rescaled"""
_MIX_HISTORY = 20
"""Last items of the user that the mix uses"""
_WINDOW = 10
"""Largest distance in events at which an item counts as a successor"""
_RECENCY_DECAY = 0.5


@dataclass(frozen=True, slots=True)
class CounterSettings:
    """Hyperparameters; a counter ignores those that it does not have."""

    half_life: float
    """Events after which a count has half its weight"""
    popularity: float = 0.02
    """Weight of popularity, relative to successors"""
    skip_decay: float = 0.85
    """Weight of an item's successors, relative to those of the item after it"""
    recency: float = 0.0
    """Weight of the user's last items themselves"""


def default_settings(allow_repeats: bool) -> CounterSettings:
    """Settings without a past to choose them on."""
    return CounterSettings(50, recency=1.0) if allow_repeats else CounterSettings(100_000)


def settings_grid(allow_repeats: bool) -> list[CounterSettings]:
    """Settings of the grid search."""
    half_lives = (50.0, 1_000.0, 100_000.0)
    recencies = (0.0, 0.1, 1.0) if allow_repeats else (0.0,)
    return [CounterSettings(*values) for values in product(half_lives, (0.02, 0.3), (0.5, 0.7, 0.85), recencies)]


class Counter(Protocol):
    """Counts that all users share."""

    def weights(self, history: Sequence[int], items: int, settings: CounterSettings) -> NDArray[np.float64]:
        """New array [items + 1] of non-negative item weights for a user with this history, oldest item first."""

    def observe(self, history: Sequence[int], item: int) -> None:
        """Count an event of a user with this history."""


class _DecayedCounts:
    """Item counts with one half-life."""

    def __init__(self, half_life: float) -> None:
        self._growth = 2.0 ** (1.0 / half_life)
        # New events get more weight instead of old ones less, so that an event costs the same for any number of items.
        self._event_weight = 1.0
        self._total = 0.0
        self._counts = np.zeros(1024)

    def shares(self, items: int) -> NDArray[np.float64]:
        self._grow(items)
        return self._counts[: items + 1] / max(self._total, 1.0)

    def observe(self, item: int) -> None:
        self._grow(item)
        self._counts[item] += self._event_weight
        self._total += self._event_weight
        self._event_weight *= self._growth
        if self._event_weight > _MAX_WEIGHT:
            self._counts /= self._event_weight
            self._total /= self._event_weight
            self._event_weight = 1.0

    def _grow(self, item: int) -> None:
        if item >= len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros((1 << item.bit_length()) - len(self._counts))])


class Popularity:
    """Decayed item counts."""

    def __init__(self, settings: Sequence[CounterSettings]) -> None:
        self._counts_by_half_life = {setting.half_life: _DecayedCounts(setting.half_life) for setting in settings}

    def weights(self, history: Sequence[int], items: int, settings: CounterSettings) -> NDArray[np.float64]:
        """Share of all events, the same for all users."""
        return self._counts_by_half_life[settings.half_life].shares(items)

    def observe(self, history: Sequence[int], item: int) -> None:
        """Count the item."""
        for counts in self._counts_by_half_life.values():
            counts.observe(item)


class MarkovChain:
    """Successors of the user's last item, backed off to popularity."""

    def __init__(self, settings: Sequence[CounterSettings]) -> None:
        self._popularity = Popularity(settings)
        self._successors = SuccessorCounts(window=1)

    def weights(self, history: Sequence[int], items: int, settings: CounterSettings) -> NDArray[np.float64]:
        """Share among the last item's successors, plus weighted popularity."""
        weight = self._popularity.weights(history, items, settings) * settings.popularity
        if history:
            self._successors.add_row(weight, history[-1], 1.0, 1.0)
        return weight

    def observe(self, history: Sequence[int], item: int) -> None:
        """Count the item, by itself and as a successor of the last item."""
        self._popularity.observe(history, item)
        self._successors.observe(history, item)


class SkipMarkovMix:
    """Successors of the user's last 20 items (skip-Markov), these items themselves (recency), and popularity."""

    def __init__(self, settings: Sequence[CounterSettings]) -> None:
        self._popularity = Popularity(settings)
        self._successors = SuccessorCounts(_WINDOW)
        self._asked: tuple[tuple[int, ...], int] = ((), 0)
        self._following: dict[float, NDArray[np.float64]] = {}  # by decay, of what was asked for

    def weights(self, history: Sequence[int], items: int, settings: CounterSettings) -> NDArray[np.float64]:
        """Sum of skip-Markov with weight 1, recency and popularity with theirs; each part sums to its weight."""
        last = history[: -_MIX_HISTORY - 1 : -1]
        weight = self._skip_markov(tuple(last), items, settings.skip_decay).copy()
        if settings.recency and last:
            recency = _RECENCY_DECAY ** np.arange(len(last))
            np.add.at(weight, last, settings.recency * recency / recency.sum())
        weight += self._popularity.weights(history, items, settings) * settings.popularity
        return weight

    def observe(self, history: Sequence[int], item: int) -> None:
        """Count the item, by itself and as a successor of the last ten items."""
        self._following.clear()
        self._popularity.observe(history, item)
        self._successors.observe(history, item)

    def _skip_markov(self, last: tuple[int, ...], items: int, decay: float) -> NDArray[np.float64]:
        """Shares of successors of these items, newest first; kept for the next call, until an item is counted.

        Settings that are compared on an event differ in little else than what is added to it.
        """
        if self._asked != (last, items):
            self._asked = last, items
            self._following.clear()
        weight = self._following.get(decay)
        if weight is None:
            weight = self._following[decay] = np.zeros(items + 1)
            for lag, item in enumerate(last):
                self._successors.add_row(weight, item, decay**lag, 0.5)
            if (total := weight.sum()) > 0:
                weight /= total
        return weight

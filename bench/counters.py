"""Counters: the predictors that a recommender team already has, one event at a time.

Their settings were chosen on what comes before 70 % of the logs; only the half-life of popularity differs between logs
where users come back to items and those where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.datasets import Dataset, Events
from bench.ranking import Ranking, scores
from bench.scorer import Scores
from bench.successors import Successors

HALF_LIFE = {"filter": 100_000.0, "allow": 50.0}
"""Events after which a count is worth half, by whether users come back to items"""

_LARGEST = 1e100


class Counter(Protocol):
    """What users share."""

    def weights(self, before: Sequence[int], known: int) -> NDArray[np.float64]:
        """[known + 1] weight of each item for a user with these items, oldest first; new, not negative."""

    def observe(self, before: Sequence[int], item: int) -> None:
        """The item came after `before`."""


class Popularity:
    """Counts of items, decayed."""

    def __init__(self, half_life: float) -> None:
        self._growth = 2.0 ** (1.0 / half_life)
        # Each new event weighs more, instead of all old ones less: the number of items does not matter.
        self._next = 1.0
        self._total = 0.0
        self._counts = np.zeros(1024)

    def weights(self, before: Sequence[int], known: int) -> NDArray[np.float64]:
        """Shares of all events, whoever the user."""
        self._grow(known)
        return self._counts[: known + 1] / max(self._total, 1.0)

    def observe(self, before: Sequence[int], item: int) -> None:
        """Count the item."""
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


class Markov:
    """What followed the user's last item, backed off to popularity."""

    def __init__(self, half_life: float, back_off: float = 0.02) -> None:
        self._popularity = Popularity(half_life)
        self._successors = Successors(window=1)
        self._back_off = back_off

    def weights(self, before: Sequence[int], known: int) -> NDArray[np.float64]:
        """Shares of the last item's successors, and a little popularity."""
        weight = self._popularity.weights(before, known) * self._back_off
        if before:
            self._successors.add_row(weight, before[-1], 1.0, 1.0)
        return weight

    def observe(self, before: Sequence[int], item: int) -> None:
        """Count the item, by itself and after the one before it."""
        self._popularity.observe(before, item)
        self._successors.observe(before, item)


class Mix:
    """Recency, what followed the user's last 20 items (skip-Markov), and popularity."""

    _LAST = 20
    _SKIP_DECAY = 0.85
    _RECENCY_DECAY = 0.5
    _POPULARITY = 0.02

    def __init__(self, half_life: float, repeats: Literal["allow", "filter"]) -> None:
        self._popularity = Popularity(half_life)
        self._successors = Successors(window=10)
        self._repeats = repeats

    def weights(self, before: Sequence[int], known: int) -> NDArray[np.float64]:
        """Even parts of skip-Markov and, where items come back, recency; and a little popularity."""
        weight = np.zeros(known + 1)
        last = before[: -self._LAST - 1 : -1]
        for lag, item in enumerate(last):
            self._successors.add_row(weight, item, self._SKIP_DECAY**lag, 0.5)
        total = weight.sum()
        if total > 0:
            weight /= total
        if self._repeats == "allow" and last:
            recency = self._RECENCY_DECAY ** np.arange(len(last))
            np.add.at(weight, last, recency / recency.sum())
        weight += self._popularity.weights(before, known) * self._POPULARITY
        return weight

    def observe(self, before: Sequence[int], item: int) -> None:
        """Count the item, by itself and after the ten before it."""
        self._popularity.observe(before, item)
        self._successors.observe(before, item)


class CounterScorer:
    """A counter and its users' items."""

    batch_events = 1

    def __init__(self, name: str, counter: Counter, dataset: Dataset) -> None:
        self.name = name
        self._counter = counter
        self._filter = dataset.repeats == "filter"
        self._known = 0
        self._had: dict[int, list[int]] = {}

    def fit(self, events: Events) -> None:
        """Nothing: one pass teaches a counter all there is."""

    def know(self, items: int) -> None:
        """Make the items up to this number candidates."""
        self._known = max(self._known, items)

    def score(self, events: Events) -> Scores:
        """Each event's place among the weights of its user."""
        rankings = []
        moved: dict[int, list[int]] = {}
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            had = moved.get(user) or self._had.get(user, [])
            weight = self._counter.weights(had, self._known)
            rankings.append(Ranking.of(weight, had if self._filter else (), item))
            # An item that is first met in this batch has no count yet: it tells of nothing.
            if len(events) > 1 and item <= self._known:
                moved[user] = [*had, item]
        return scores(rankings)

    def step(self, events: Events, learn: bool) -> None:
        """Append to the users' items; with `learn`, count."""
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            had = self._had.setdefault(user, [])
            if learn:
                self._counter.observe(had, item)
            had.append(item)
        self._known = max(self._known, int(events.item.max(initial=0)))


def popularity(dataset: Dataset) -> CounterScorer:
    """Decayed popularity."""
    return CounterScorer("popularity", Popularity(HALF_LIFE[dataset.repeats]), dataset)


def markov(dataset: Dataset) -> CounterScorer:
    """Markov chain of order 1 with back-off."""
    return CounterScorer("markov", Markov(HALF_LIFE[dataset.repeats]), dataset)


def mix(dataset: Dataset) -> CounterScorer:
    """Recency, skip-Markov and popularity."""
    return CounterScorer("mix", Mix(HALF_LIFE[dataset.repeats], dataset.repeats), dataset)

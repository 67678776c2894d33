"""A counter as a scorer: its settings, and its users' items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.quality import metrics
from bench.quality.counters.counters import DEFAULTS, Counter, Markov, Mix, Popularity, Settings, grid
from bench.quality.counters.ranking import Ranking, scores
from bench.quality.datasets import Dataset
from bench.quality.scorer import Scores
from models.data.event_log import EventLog
from models.progress import ProgressCallback

_CHOOSE_FROM = 2 / 3
"""Part of the past that is only counted; on events of the rest settings are compared"""
_CHOOSE_EVENTS = 2000


class CounterScorer:
    """Counts; the settings are the best of several over the past, the first of them without a past."""

    batch_events = 1

    def __init__(
        self,
        name: str,
        counter: Callable[[Sequence[Settings]], Counter],
        dataset: Dataset,
        variants: Sequence[Settings] | None = None,
    ) -> None:
        self.name = name
        self._make = counter
        self._filter = dataset.repeats == "filter"
        self._variants = variants or [DEFAULTS[dataset.repeats], *grid(dataset.repeats)]
        self._settings = self._variants[0]
        self._known = 0
        self._begin(self._variants)

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Choose the settings with the best recall@10 + MRR@20 on events from the last third of these."""
        if len(self._variants) == 1 or not len(events):
            return
        first = int(len(events) * _CHOOSE_FROM)
        compared = set(np.linspace(first, len(events) - 1, _CHOOSE_EVENTS, dtype=np.int64).tolist())
        found: list[list[float]] = []
        for at, (user, item) in enumerate(zip(events.user.tolist(), events.item.tolist(), strict=True)):
            had = self._had.setdefault(user, [])
            if at in compared:
                found.append([self._rank(had, item, settings).rank for settings in self._variants])
            self._count(had, item)
        ranks = np.array(found)  # [events, variants]
        gains = metrics.recall_each(ranks, 10) + metrics.reciprocal_each(ranks, 20)
        self._settings = self._variants[int(np.argmax(gains.mean(0)))]
        self._begin([self._settings])

    def know(self, items: int) -> None:
        """Make the items up to this number candidates."""
        self._known = max(self._known, items)

    def score(self, events: EventLog) -> Scores:
        """Each event's place among the weights of its user."""
        rankings = []
        moved: dict[int, list[int]] = {}
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            had = moved.get(user) or self._had.get(user, [])
            rankings.append(self._rank(had, item, self._settings))
            # An item that is first met in this batch has no count yet: it tells of nothing.
            if len(events) > 1 and item <= self._known:
                moved[user] = [*had, item]
        return scores(rankings)

    def step(self, events: EventLog, learn: bool) -> None:
        """Append to the users' items; with `learn`, count."""
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            had = self._had.setdefault(user, [])
            if learn:
                self._count(had, item)
            else:
                had.append(item)
                self._known = max(self._known, item)

    def _begin(self, variants: Sequence[Settings]) -> None:
        self._counter = self._make(variants)
        self._known = 0
        self._had: dict[int, list[int]] = {}

    def _rank(self, had: list[int], item: int, settings: Settings) -> Ranking:
        return Ranking.of(self._counter.weights(had, self._known, settings), had if self._filter else (), item)

    def _count(self, had: list[int], item: int) -> None:
        self._counter.observe(had, item)
        had.append(item)
        self._known = max(self._known, item)


def popularity(dataset: Dataset, variants: Sequence[Settings] | None = None) -> CounterScorer:
    """Decayed popularity."""
    return CounterScorer("popularity", Popularity, dataset, variants or _half_lives(dataset))


def markov(dataset: Dataset, variants: Sequence[Settings] | None = None) -> CounterScorer:
    """Markov chain of order 1 with back-off."""
    return CounterScorer("markov", Markov, dataset, variants or _half_lives(dataset))


def mix(dataset: Dataset, variants: Sequence[Settings] | None = None) -> CounterScorer:
    """Recency, skip-Markov and popularity."""
    return CounterScorer("mix", Mix, dataset, variants)


def _half_lives(dataset: Dataset) -> list[Settings]:
    return [DEFAULTS[dataset.repeats], *(Settings(each) for each in (50, 1_000, 20_000, 100_000))]

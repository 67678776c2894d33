"""Scorer of a count-based baseline: chooses its settings, and keeps its users' histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.quality import metrics
from bench.quality.counters.counters import (
    Counter,
    CounterSettings,
    MarkovChain,
    Popularity,
    SkipMarkovMix,
    default_settings,
    settings_grid,
)
from bench.quality.counters.ranking import ItemRanking, event_scores
from bench.quality.datasets import Dataset
from bench.quality.scorer import EventScores
from models.data.event_log import EventLog
from models.progress import ProgressCallback

_COUNTED_SHARE = 2 / 3
"""Part of the events to fit that is only counted; settings are compared on events of the rest"""
_COMPARED_EVENTS = 2000


class CounterScorer:
    """Uses the best of several settings on the events to fit; the first of them without such events."""

    batch_events = 1

    def __init__(
        self,
        name: str,
        counter: Callable[[Sequence[CounterSettings]], Counter],
        dataset: Dataset,
        candidates: Sequence[CounterSettings] | None = None,
    ) -> None:
        self.name = name
        self._make_counter = counter
        self._allow_repeats = dataset.allow_repeats
        self._candidates = candidates or [
            default_settings(dataset.allow_repeats),
            *settings_grid(dataset.allow_repeats),
        ]
        self._settings = self._candidates[0]
        self._items = 0  # candidates are the items 1 … this
        self._reset(self._candidates)

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Choose the settings with the best recall@10 + MRR@20 on events from the last third of these."""
        if len(self._candidates) == 1 or not len(events):
            return
        first = int(len(events) * _COUNTED_SHARE)
        compared = set(np.linspace(first, len(events) - 1, _COMPARED_EVENTS, dtype=np.int64).tolist())
        rows: list[list[float]] = []
        for index, (user, item) in enumerate(zip(events.user.tolist(), events.item.tolist(), strict=True)):
            history = self._histories.setdefault(user, [])
            if index in compared:
                rows.append([self._rank(history, item, settings).rank for settings in self._candidates])
            self._count(history, item)
        ranks = np.array(rows)  # [events, settings]
        gains = metrics.recall_per_event(ranks, 10) + metrics.reciprocal_rank_per_event(ranks, 20)
        self._settings = self._candidates[int(np.argmax(gains.mean(0)))]
        self._reset([self._settings])

    def add_candidates(self, items: int) -> None:
        """Make the items 1 … `items` candidates."""
        self._items = max(self._items, items)

    def score(self, events: EventLog) -> EventScores:
        """Rank each event's item by the counter's weights for its user."""
        rankings = []
        batch_histories: dict[int, list[int]] = {}  # of users with an earlier event in the batch
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            history = batch_histories.get(user) or self._histories.get(user, [])
            rankings.append(self._rank(history, item, self._settings))
            # An item that first appears in this batch has no counts yet, so it predicts nothing.
            if len(events) > 1 and item <= self._items:
                batch_histories[user] = [*history, item]
        return event_scores(rankings)

    def step(self, events: EventLog, learn: bool) -> None:
        """Append to the users' histories; with `learn`, count."""
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            history = self._histories.setdefault(user, [])
            if learn:
                self._count(history, item)
            else:
                history.append(item)
                self._items = max(self._items, item)

    def _reset(self, settings: Sequence[CounterSettings]) -> None:
        self._counter = self._make_counter(settings)
        self._items = 0
        self._histories: dict[int, list[int]] = {}

    def _rank(self, history: list[int], item: int, settings: CounterSettings) -> ItemRanking:
        weight = self._counter.weights(history, self._items, settings)
        return ItemRanking.by_weight(weight, () if self._allow_repeats else history, item)

    def _count(self, history: list[int], item: int) -> None:
        self._counter.observe(history, item)
        history.append(item)
        self._items = max(self._items, item)


def popularity_scorer(dataset: Dataset, candidates: Sequence[CounterSettings] | None = None) -> CounterScorer:
    """Decayed popularity."""
    return CounterScorer("popularity", Popularity, dataset, candidates or _half_lives(dataset))


def markov_scorer(dataset: Dataset, candidates: Sequence[CounterSettings] | None = None) -> CounterScorer:
    """Markov chain of order 1 with back-off to popularity."""
    return CounterScorer("markov", MarkovChain, dataset, candidates or _half_lives(dataset))


def mix_scorer(dataset: Dataset, candidates: Sequence[CounterSettings] | None = None) -> CounterScorer:
    """Skip-Markov, recency and popularity."""
    return CounterScorer("mix", SkipMarkovMix, dataset, candidates)


def _half_lives(dataset: Dataset) -> list[CounterSettings]:
    half_lives = (50, 1_000, 20_000, 100_000)
    return [default_settings(dataset.allow_repeats), *(CounterSettings(half_life) for half_life in half_lives)]

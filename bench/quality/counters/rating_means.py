"""Rating baseline: damped means of items and users predict a rating, and rank by it."""

from __future__ import annotations

import numpy as np

from bench.quality.counters.ranking import ItemRanking, event_scores
from bench.quality.datasets import Dataset
from bench.quality.scorer import EventScores
from models.data.event_log import EventLog
from models.progress import ProgressCallback

_DAMPING = 10.0
"""Ratings equal to the mean that every item and user starts with"""


class RatingMeans:
    """Predicts mean + item's deviation + user's deviation (Koren, 2008, section 2.1), each updated online.

    Probabilities are a softmax of the predicted ratings.
    """

    name = "ratings"
    batch_events = 1

    def __init__(self, dataset: Dataset) -> None:
        self._allow_repeats = dataset.allow_repeats
        self._items = 0  # candidates are the items 1 … this
        self._total = np.zeros(2)  # sum, count
        self._item_sums = np.zeros((dataset.items + 1, 2))  # [M, 2] sum of deviations, count
        self._user_sums = np.zeros((dataset.users, 2))  # [U, 2] likewise
        self._histories: dict[int, list[int]] = {}

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Nothing to do: means need one pass only."""

    def add_candidates(self, items: int) -> None:
        """Make the items 1 … `items` candidates."""
        self._items = max(self._items, items)

    def score(self, events: EventLog) -> EventScores:
        """Rank each event's item by predicted ratings, and predict its rating."""
        deviation = self._item_sums[:, 0] / (self._item_sums[:, 1] + _DAMPING)
        weight = np.exp(deviation[: self._items + 1])
        rankings = []
        batch_histories: dict[int, list[int]] = {}  # of users with an earlier event in the batch
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            history = batch_histories.get(user) or self._histories.get(user, [])
            user_deviation = self._user_sums[user, 0] / (self._user_sums[user, 1] + _DAMPING)
            expected = self._mean() + deviation[item] + user_deviation if self._total[1] else np.nan
            rankings.append(
                ItemRanking.by_weight(weight.copy(), () if self._allow_repeats else history, item, expected)
            )
            if len(events) > 1 and item <= self._items:
                batch_histories[user] = [*history, item]
        return event_scores(rankings)

    def step(self, events: EventLog, learn: bool) -> None:
        """Update the user's deviation; with `learn`, also the item's and the mean."""
        rows = zip(events.user.tolist(), events.item.tolist(), events.value.tolist(), strict=True)
        for user, item, value in rows:
            self._histories.setdefault(user, []).append(item)
            if np.isnan(value):
                continue
            if learn:
                self._total += value, 1
                self._item_sums[item] += value - self._mean(), 1
            item_deviation = self._item_sums[item, 0] / (self._item_sums[item, 1] + _DAMPING)
            self._user_sums[user] += value - self._mean() - item_deviation, 1
        self._items = max(self._items, int(events.item.max(initial=0)))

    def _mean(self) -> float:
        return float(self._total[0] / max(self._total[1], 1.0))

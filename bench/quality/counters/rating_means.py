"""Ratings: damped means of items and users, which expect a value and rank by it."""

from __future__ import annotations

import numpy as np

from bench.quality.counters.ranking import Ranking, scores
from bench.quality.datasets import Dataset
from bench.quality.scorer import Scores
from models.data.event_log import EventLog
from models.progress import ProgressCallback

_DAMPING = 10.0
"""Ratings of the mean that every item and user begins with"""


class RatingMeans:
    """Expects mean + item's deviation + user's deviation (Koren, 2008, section 2.1), each counted online.

    It ranks by what it expects; the probabilities are a softmax of it.
    """

    name = "ratings"
    batch_events = 1

    def __init__(self, dataset: Dataset) -> None:
        self._filter = dataset.repeats == "filter"
        self._known = 0
        self._all = np.zeros(2)  # sum, count
        self._item = np.zeros((dataset.items + 1, 2))
        self._user = np.zeros((dataset.users, 2))
        self._had: dict[int, list[int]] = {}

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Nothing: one pass teaches a mean all there is."""

    def know(self, items: int) -> None:
        """Make the items up to this number candidates."""
        self._known = max(self._known, items)

    def score(self, events: EventLog) -> Scores:
        """Each event's place among the expected ratings, and the one expected of it."""
        deviation = self._item[:, 0] / (self._item[:, 1] + _DAMPING)
        weight = np.exp(deviation[: self._known + 1])
        rankings = []
        moved: dict[int, list[int]] = {}
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            had = moved.get(user) or self._had.get(user, [])
            leaning = self._user[user, 0] / (self._user[user, 1] + _DAMPING)
            expected = self._mean() + deviation[item] + leaning if self._all[1] else np.nan
            rankings.append(Ranking.of(weight.copy(), had if self._filter else (), item, expected))
            if len(events) > 1 and item <= self._known:
                moved[user] = [*had, item]
        return scores(rankings)

    def step(self, events: EventLog, learn: bool) -> None:
        """Take in the ratings: the user's always, those of items and the mean with `learn`."""
        rows = zip(events.user.tolist(), events.item.tolist(), events.value.tolist(), strict=True)
        for user, item, value in rows:
            self._had.setdefault(user, []).append(item)
            if np.isnan(value):
                continue
            if learn:
                self._all += value, 1
                self._item[item] += value - self._mean(), 1
            of_item = self._item[item, 0] / (self._item[item, 1] + _DAMPING)
            self._user[user] += value - self._mean() - of_item, 1
        self._known = max(self._known, int(events.item.max(initial=0)))

    def _mean(self) -> float:
        return float(self._all[0] / max(self._all[1], 1.0))

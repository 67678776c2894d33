"""Demo metrics: latency, lag, and recall@10 of the predictions beside decayed popularity on the same events.

An event is a hit when its item is among the first ten items of the prediction that followed the same user's previous
event. A user's first event and an item's first appearance are misses. Knows nothing of Kafka.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.metrics.popularity_baseline import DecayedPopularity
from streams.demo.next_item_ranks import NextItemRanks
from streams.files.logged_event import LoggedEvent
from streams.schema.predictions import Prediction

TOP_K = 10
SCORED_SHARE = 0.3  # the final recall is that of the last part of the stream
RECENT_EVENTS = 2_000  # events of the running recall and latencies


class DemoMetrics:
    """Latency and hits of n events, known beforehand; an event's index is its position in the stream.

    With `allow_repeats` false, popularity never suggests an item that the user already had.
    """

    def __init__(self, events: Sequence[LoggedEvent], allow_repeats: bool):
        users: dict[str, int] = {}
        items: dict[str, int] = {"": 0}
        self.events = events
        self._ranks = NextItemRanks(events)
        self._user = [users.setdefault(event.user_id, len(users)) for event in events]
        self._item = [items.setdefault(event.item_id, len(items)) for event in events]
        self._user_items: list[list[int]] | None = None if allow_repeats else [[] for _ in users]
        self._popularity = DecayedPopularity()
        self._popularity_hit = np.zeros(len(events), np.bool_)  # [n]
        self._sent_s = np.full(len(events), np.nan)  # [n]
        self._latency_s = np.full(len(events), np.nan)  # [n]
        self._predicted: list[int] = []  # event indices in the order in which their predictions arrived
        self.sent = 0
        self.duplicate_predictions = 0  # of events that had a prediction already
        self.latest: dict[str, Prediction] = {}  # by user id

    @property
    def predicted(self) -> int:
        """Number of events that have their prediction."""
        return len(self._predicted)

    def record_sent(self, end: int, now_s: float) -> None:
        """The events before index `end` have been sent, the new ones at `now_s`; popularity is scored, then counted."""
        self._sent_s[self.sent : end] = now_s
        for index in range(self.sent, end):
            user, item = self._user[index], self._item[index]
            if not item:
                continue
            seen_items = None if self._user_items is None else np.array(self._user_items[user], np.int64)
            self._popularity_hit[index] = self._popularity.rank(item, seen_items) <= TOP_K
            self._popularity.observe(np.array([item]))
            if self._user_items is not None:
                self._user_items[user].append(item)
        self.sent = end

    def record_prediction(self, prediction: Prediction, now_s: float) -> None:
        """The prediction was read at `now_s`; decides whether the user's next event is a hit."""
        index = self._ranks.index(prediction)
        if not self._ranks.add(prediction):
            self.duplicate_predictions += 1
            return
        self._latency_s[index] = now_s - self._sent_s[index]
        self._predicted.append(index)
        self.latest[prediction.user_id] = prediction

    def event_index(self, prediction: Prediction) -> int:
        """Index of the event that caused the prediction."""
        return self._ranks.index(prediction)

    def event(self, prediction: Prediction) -> LoggedEvent:
        """The event that caused the prediction."""
        return self.events[self.event_index(prediction)]

    def final_recall(self) -> tuple[float, float]:
        """Recall@10 of the predictions and of popularity over the last part of the stream."""
        return self._recall(np.arange(int(len(self.events) * (1 - SCORED_SHARE)), len(self.events)))

    def running_recall(self) -> tuple[float, float]:
        """The same over the events predicted last."""
        return self._recall(np.array(self._predicted[-RECENT_EVENTS:], np.int64))

    def latency_ms(self, recent: bool = False) -> tuple[float, float]:
        """p50 and p99 of the time from sent to readable; NaN before the first prediction."""
        indices = self._predicted[-RECENT_EVENTS:] if recent else self._predicted
        if not indices:
            return float("nan"), float("nan")
        p50, p99 = np.percentile(self._latency_s[indices], [50, 99]) * 1000
        return float(p50), float(p99)

    def _recall(self, indices: NDArray[np.int64]) -> tuple[float, float]:
        indices = indices[self._ranks.has_item[indices]]
        if not len(indices):
            return 0.0, 0.0
        return float((self._ranks.rank[indices] <= TOP_K).mean()), float(self._popularity_hit[indices].mean())


def has_repeats(events: Sequence[LoggedEvent]) -> bool:
    """Whether any user has two events with the same item."""
    pairs = [(event.user_id, event.item_id) for event in events if event.item_id]
    return len(set(pairs)) < len(pairs)

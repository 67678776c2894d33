"""What the demo measures: latency, lag, and recall@10 of the predictions against decayed popularity on the same events.

An event is a hit when the prediction that followed the same user's previous event held its item among the first ten. A
user's first event and an item's first appearance are misses. Knows nothing of Kafka.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.metrics.popularity_baseline import DecayedPopularity
from streams.files.delimited import LogError
from streams.files.event_logs import LoggedEvent
from streams.schema.predictions import Prediction

Repeats = Literal["allow", "filter"]
TOP = 10
SCORED_SHARE = 0.3  # the final score is that of the last part of the stream
RECENT = 2_000  # events of the running scores and latencies


class Scoreboard:
    """The books on n events in order of the stream; indices below are places in that order."""

    def __init__(self, events: Sequence[LoggedEvent], repeats: Repeats):
        users: dict[str, int] = {}
        items: dict[str, int] = {"": 0}
        self.events = events
        self._place = {event.event_id: place for place, event in enumerate(events)}
        if len(self._place) < len(events):
            raise LogError("event ids are not unique: the same event stands in the log twice")
        self._user = [users.setdefault(event.user_id, len(users)) for event in events]
        self._item = [items.setdefault(event.item_id, len(items)) for event in events]
        self._scorable = np.array([item > 0 for item in self._item])  # [n]
        self._next = _next_of_same(self._user)  # [n] place of the user's next event, -1 = none
        self._known = np.zeros(len(events), np.bool_)  # [n] the item appeared before
        self._known[[place for place in _next_of_same(self._item) if place >= 0]] = True
        self._had: list[list[int]] | None = [[] for _ in users] if repeats == "filter" else None
        self._popularity = DecayedPopularity()
        self._popularity_hit = np.zeros(len(events), np.bool_)  # [n]
        self._hit = np.zeros(len(events), np.bool_)  # [n]
        self._sent_s = np.full(len(events), np.nan)  # [n]
        self._latency_s = np.full(len(events), np.nan)  # [n]
        self._order: list[int] = []  # places in order of their predictions' arrival
        self.sent = 0
        self.repeated = 0  # predictions of events that had one already
        self.newest: dict[str, Prediction] = {}

    @property
    def predicted(self) -> int:
        """Events that have their prediction."""
        return len(self._order)

    def send(self, end: int, now_s: float) -> None:
        """The events up to `end` were produced just now."""
        self._sent_s[self.sent : end] = now_s
        for place in range(self.sent, end):
            user, item = self._user[place], self._item[place]
            if not item:
                continue
            had = None if self._had is None else np.array(self._had[user], np.int64)
            self._popularity_hit[place] = self._popularity.rank(item, had) <= TOP
            self._popularity.observe(np.array([item]))
            if self._had is not None:
                self._had[user].append(item)
        self.sent = end

    def receive(self, prediction: Prediction, now_s: float) -> None:
        """The prediction became readable just now."""
        place = self._place[prediction.caused_by]
        if not np.isnan(self._latency_s[place]):
            self.repeated += 1
            return
        self._latency_s[place] = now_s - self._sent_s[place]
        self._order.append(place)
        self.newest[prediction.user_id] = prediction
        following = self._next[place]
        if following >= 0:
            self._hit[following] = self._known[following] and self.events[following].item_id in prediction.items[:TOP]

    def place_of(self, prediction: Prediction) -> int:
        """The place of the event that caused the prediction."""
        return self._place[prediction.caused_by]

    def event_of(self, prediction: Prediction) -> LoggedEvent:
        """That event."""
        return self.events[self.place_of(prediction)]

    def recall(self) -> tuple[float, float]:
        """Recall@10 of predictions and of popularity over the last part of the stream."""
        return self._recall(np.arange(int(len(self.events) * (1 - SCORED_SHARE)), len(self.events)))

    def running_recall(self) -> tuple[float, float]:
        """The same over the events applied last."""
        return self._recall(np.array(self._order[-RECENT:], np.int64))

    def latency_ms(self, recent: bool = False) -> tuple[float, float]:
        """p50 and p99 of produced → readable; NaN before the first prediction."""
        places = self._order[-RECENT:] if recent else self._order
        if not places:
            return float("nan"), float("nan")
        p50, p99 = np.percentile(self._latency_s[places], [50, 99]) * 1000
        return float(p50), float(p99)

    def _recall(self, places: NDArray[np.int64]) -> tuple[float, float]:
        places = places[self._scorable[places]]
        if not len(places):
            return 0.0, 0.0
        return float(self._hit[places].mean()), float(self._popularity_hit[places].mean())


def has_repeats(events: Sequence[LoggedEvent]) -> bool:
    """True where a user meets an item twice."""
    pairs = [(event.user_id, event.item_id) for event in events if event.item_id]
    return len(set(pairs)) < len(pairs)


def _next_of_same(values: Sequence[int]) -> list[int]:
    """The place of the next equal value, -1 where none follows."""
    following = [-1] * len(values)
    last: dict[int, int] = {}
    for place, value in enumerate(values):
        if value in last:
            following[last[value]] = place
        last[value] = place
    return following

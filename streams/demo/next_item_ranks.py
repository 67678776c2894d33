"""Where each event's item stands in the prediction that followed the user's previous event. Knows nothing of Kafka."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.files.formats.log_error import LogError
from streams.files.logged_event import LoggedEvent
from streams.schema.predictions import Prediction


class NextItemRanks:
    """Ranks of n events, known beforehand; an event's index is its position in the stream.

    A user's first event and an item's first appearance have no rank, as an item has none that is not in the list.
    """

    def __init__(self, events: Sequence[LoggedEvent]) -> None:
        """LogError where event ids are not unique."""
        self.events = events
        self._index_of = {event.event_id: index for index, event in enumerate(events)}
        if len(self._index_of) < len(events):
            raise LogError("event ids are not unique: the log holds the same event twice")
        self._next_of_user = _next_equal([event.user_id for event in events])
        self._item_seen = np.zeros(len(events), np.bool_)  # [n] the item appeared before
        self._item_seen[[index for index in _next_equal([event.item_id for event in events]) if index >= 0]] = True
        self._is_predicted = np.zeros(len(events), np.bool_)  # [n]
        self.rank = np.full(len(events), np.inf)
        """[n] from 1 on; infinite where there is none"""
        self.has_item = np.array([bool(event.item_id) for event in events], np.bool_)
        """[n]"""

    def index(self, prediction: Prediction) -> int:
        """Index of the event that caused the prediction."""
        return self._index_of[prediction.caused_by]

    def add(self, prediction: Prediction) -> bool:
        """Ranks the user's next event; False, and nothing changes, where this event had a prediction already."""
        index = self._index_of[prediction.caused_by]
        if self._is_predicted[index]:
            return False
        self._is_predicted[index] = True
        following = self._next_of_user[index]
        if following >= 0 and self._item_seen[following]:
            item, items = self.events[following].item_id, prediction.items
            self.rank[following] = items.index(item) + 1 if item in items else np.inf
        return True

    def last_part(self, share: float) -> NDArray[np.float64]:
        """Ranks of the events with an item in the last part of the stream."""
        begin = int(len(self.events) * (1 - share))
        return self.rank[begin:][self.has_item[begin:]]


def _next_equal(values: Sequence[str]) -> list[int]:
    """Index of the next equal value; -1 if there is none."""
    following = [-1] * len(values)
    last: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in last:
            following[last[value]] = index
        last[value] = index
    return following

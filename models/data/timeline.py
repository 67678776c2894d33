"""The events of a batch on their users' timelines: numbers, times, features, and the history around each.

Numpy index arithmetic over all users at once; the recurrent state `h`, `c` is written by models/network/recurrence.py.
"""

import numpy as np
from numpy.typing import NDArray

from models.data.event_features import EventFeatures, value_buckets
from models.data.events import EventBatch
from models.data.user_profile import stored_profiles
from models.data.user_state import GAP_BUCKETS, Windows, ring_features
from models.text.sign_codes import BYTES


class Timeline:
    """A batch of n events joined with the stored rows [U] of its users."""

    def __init__(self, batch: EventBatch, rows: NDArray[np.void], codes: NDArray[np.uint8] | None = None) -> None:
        """`codes` [n, BYTES] are those of the events' texts; None where no event has text."""
        users = len(rows)
        if len(batch) and batch.user[-1] >= users:
            raise ValueError(f"event of user {int(batch.user[-1])}, but there are {users} rows")
        self.batch = batch
        self.rows = rows
        self.count: NDArray[np.int64] = np.bincount(batch.user, minlength=users)
        """[U] events of the user in the batch"""
        self.start: NDArray[np.int64] = np.cumsum(self.count) - self.count
        """[U] index of the user's first event in the batch"""
        self.position: NDArray[np.int64] = np.arange(len(batch)) - self.start[batch.user]
        """[n] number of the event among its user's events in the batch"""
        self.events_before: NDArray[np.int64] = rows["steps"].astype(np.int64)
        """[U] events of the user before the batch"""
        self.event_number: NDArray[np.int64] = self.events_before[batch.user] + self.position
        """[n] number of the event among all events of its user, from 0"""
        self.clock_ms = self._clock()
        """[n] newest event time of the user up to and with the event; never goes back"""
        self.features = self._features(codes)
        """[n] the events as the network reads them"""
        self._ring_and_batch: EventFeatures | None = None  # [U * K + n] made when first asked for

    def last_events(self) -> NDArray[np.int64]:
        """Index of each user's last event, for the users that have one."""
        return (self.start + self.count - 1)[self.count > 0]

    def windows(self, user: NDArray[np.int64], event_number: NDArray[np.int64]) -> Windows:
        """The K events up to and with this one of each user [P], newest first; -1 is before the user's first event."""
        number, flat_index = self._history(user, event_number, self.rows["ring_item"].shape[1])
        if self._ring_and_batch is None:
            self._ring_and_batch = EventFeatures.concatenate([ring_features(self.rows).flat(), self.features])
        return Windows(self._ring_and_batch[flat_index], number >= 0)

    def profiles(self, event: NDArray[np.int64] | None = None) -> NDArray[np.float32] | None:
        """[P, F] what was known of the users at these events of the batch, or at all; None where nothing is."""
        if "profile" not in (self.rows.dtype.names or ()):
            return None
        batch = self.batch
        event = np.arange(len(batch)) if event is None else event
        if batch.profile is not None:
            profile = batch.profile[event]
        elif self.rows["profile_known"].any():
            profile = stored_profiles(self.rows)[batch.user[event]]
        else:
            return None
        return profile if np.isfinite(profile).any() else None

    def advance(self, after: NDArray[np.void]) -> None:
        """Write history, number of events and last time after the batch into `after`, a copy of the rows."""
        ring = after["ring_item"].shape[1]
        batch = self.batch
        stays = self.position >= self.count[batch.user] - ring
        user, slot = batch.user[stays], self.event_number[stays] % ring
        for name in ("item", "type", "gap", "value", "text"):
            if f"ring_{name}" in (after.dtype.names or ()):
                after[f"ring_{name}"][user, slot] = getattr(self.features, name)[stays]
        after["steps"] = self.events_before + self.count
        last = self.last_events()
        after["last_time_ms"][batch.user[last]] = self.clock_ms[last]

    def _history(
        self, user: NDArray[np.int64], event_number: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers [P, count] of the last events, newest first, and the index of each in (rings, batch)."""
        ring = self.rows["ring_item"].shape[1]
        number = event_number[:, None] - np.arange(count)  # [P, count]
        in_batch = number - self.events_before[user][:, None]  # [P, count], ≥ 0: an event of the batch
        in_ring = user[:, None] * ring + number % ring
        of_batch = len(self.rows) * ring + self.start[user][:, None] + in_batch
        return number, np.where(in_batch < 0, in_ring, of_batch)

    def _clock(self) -> NDArray[np.int64]:
        user, time_ms = self.batch.user, self.batch.time_ms
        known = self.events_before[user] > 0
        clock = np.where(known, np.maximum(time_ms, self.rows["last_time_ms"][user]), time_ms)
        if not bool(((clock[1:] < clock[:-1]) & (self.position[1:] > 0)).any()):
            return clock
        # A running maximum that restarts with each user: compare ranks, shifted apart from user to user.
        times, rank = np.unique(clock, return_inverse=True)
        shift = user * len(times)
        return times[np.maximum.accumulate(rank + shift) - shift]

    def _features(self, codes: NDArray[np.uint8] | None) -> EventFeatures:
        batch, names = self.batch, self.rows.dtype.names or ()
        value = np.zeros(len(batch), np.uint8) if batch.value is None else value_buckets(batch.value)
        if codes is None:
            codes = np.zeros((len(batch), BYTES if "ring_text" in names else 0), np.uint8)
        return EventFeatures(batch.item, batch.type, self._gaps(), value, codes)

    def _gaps(self) -> NDArray[np.int64]:
        user = self.batch.user
        previous = np.where(self.position > 0, np.roll(self.clock_ms, 1), self.rows["last_time_ms"][user])
        seconds = np.floor((self.clock_ms.astype(np.float64) - previous) / 1000)
        bucket = np.frexp(1 + seconds.clip(min=0))[1].astype(np.int64)
        return np.where(self.event_number > 0, bucket.clip(max=GAP_BUCKETS - 1), 0)

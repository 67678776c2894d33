"""What is kept of a user between events, and how a batch of events advances it.

Numpy index arithmetic over all users at once; the recurrent state `h`, `c` is written by the engine. Knows nothing of
where rows rest or what else a row holds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_features import EventFeatures, value_buckets
from models.data.events import EventBatch
from models.text.sign_codes import BYTES

Field = tuple[str, str, tuple[int, ...]]

GAP_BUCKETS = 32
"""Time since the user's previous event: 0 = first event, else 1 + floor(log2(1 + seconds)), at most 31 (34 years)"""


def user_state_fields(config: ModelConfig) -> list[Field]:
    """Fields of a user's row as (name, numpy dtype, shape); all zero is a new user."""
    fields: list[Field] = [
        ("h", "<f2", (config.num_layers * config.hidden_size,)),
        ("c", "<f2", (config.num_layers * config.hidden_size,)),
        # The user's event number s (from 0) lies in slot s % K.
        ("ring_item", "<u4", (config.history_length,)),
        ("ring_type", "u1", (config.history_length,)),
        ("ring_gap", "u1", (config.history_length,)),
        ("ring_value", "u1", (config.history_length,)),
        ("steps", "<u4", ()),
        ("last_time_ms", "<i8", ()),
    ]
    if config.text != "none":
        fields.append(("ring_text", "u1", (config.history_length, BYTES)))
    if not config.allow_repeats:
        fields.append(("seen", "u1", (config.seen_bits // 8,)))
    return fields


def new_user_states(config: ModelConfig, users: int) -> NDArray[np.void]:
    """[U] rows of new users that hold nothing but the model's fields."""
    return np.zeros(users, dtype=np.dtype(user_state_fields(config)))


@dataclass(frozen=True, slots=True)
class Windows:
    """P stretches of K steps, newest first."""

    steps: EventFeatures
    """[P, K]"""
    valid: NDArray[np.bool_]
    """[P, K] False where the user has no such step"""

    @property
    def item(self) -> NDArray[np.int64]:
        """[P, K] item index of each step."""
        return self.steps.item


def ring_features(memory: NDArray[np.void]) -> EventFeatures:
    """[U, K] what the rings hold, by slot."""
    names = memory.dtype.names or ()
    item, kind, gap = (memory[name].astype(np.int64) for name in ("ring_item", "ring_type", "ring_gap"))
    text = memory["ring_text"] if "ring_text" in names else np.zeros((*item.shape, 0), np.uint8)
    return EventFeatures(item, kind, gap, memory["ring_value"], text)


def ordered_history(memory: NDArray[np.void], user: NDArray[np.int64]) -> tuple[EventFeatures, NDArray[np.int64]]:
    """[B, K] what the rings of these rows hold, oldest step first, zeros behind; and how many steps [B] that is."""
    ring = memory["ring_item"].shape[1]
    steps = memory["steps"][user].astype(np.int64)
    length = np.minimum(steps, ring)
    column = np.arange(ring)
    slot = ((steps - length)[:, None] + column) % ring  # [B, K]
    return ring_features(memory)[user[:, None], slot].where(column < length[:, None]), length


class Timeline:
    """Where each event of a batch stands in its user's life."""

    def __init__(self, batch: EventBatch, memory: NDArray[np.void], codes: NDArray[np.uint8] | None = None) -> None:
        """`codes` [n, BYTES] are those of the events' texts; None where nobody wrote."""
        users = len(memory)
        if len(batch) and batch.user[-1] >= users:
            raise ValueError(f"event of user {int(batch.user[-1])}, but the memory has {users} rows")
        self.batch = batch
        self.memory = memory
        self.count: NDArray[np.int64] = np.bincount(batch.user, minlength=users)
        """[U] events of the user in the batch"""
        self.start: NDArray[np.int64] = np.cumsum(self.count) - self.count
        """[U] index of the user's first event in the batch"""
        self.position: NDArray[np.int64] = np.arange(len(batch)) - self.start[batch.user]
        """[n] number of the event among its user's events in the batch"""
        self.steps: NDArray[np.int64] = memory["steps"].astype(np.int64)
        """[U] events of the user before the batch"""
        self.step: NDArray[np.int64] = self.steps[batch.user] + self.position
        """[n] number of the event among all of its user's events"""
        self.clock_ms = self._clock()
        """[n] newest event time of the user up to and with the event; never goes back"""
        self.said = self._said(codes)
        """[n] what the events say to the network"""
        self._all: EventFeatures | None = None  # rings, then the batch; made when first asked for

    def last_events(self) -> NDArray[np.int64]:
        """Index of each user's last event, for the users that have one."""
        return (self.start + self.count - 1)[self.count > 0]

    def windows(self, user: NDArray[np.int64], last_step: NDArray[np.int64]) -> Windows:
        """The K steps up to and with `last_step` of each user, newest first; `last_step` -1 is before the first."""
        step, at = self._places(user, last_step, self.memory["ring_item"].shape[1])
        if self._all is None:
            self._all = EventFeatures.concatenate([ring_features(self.memory).flat(), self.said])
        return Windows(self._all[at], step >= 0)

    def recent(self, user: NDArray[np.int64], last_step: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """[P, count] items of the steps up to and with `last_step`, newest first; 0 where there is none."""
        ring = self.memory["ring_item"].shape[1]
        step, at = self._places(user, last_step, min(count, ring))
        items = np.concatenate([self.memory["ring_item"].ravel(), self.batch.item])[at]  # [P, count]
        return np.where(step >= 0, items, 0).astype(np.int64)

    def advance(self, after: NDArray[np.void]) -> None:
        """Write ring, steps and last time after the batch into `after`, a copy of the memory."""
        ring = after["ring_item"].shape[1]
        batch = self.batch
        kept = self.position >= self.count[batch.user] - ring
        user, slot = batch.user[kept], self.step[kept] % ring
        for name in ("item", "type", "gap", "value", "text"):
            if f"ring_{name}" in (after.dtype.names or ()):
                after[f"ring_{name}"][user, slot] = getattr(self.said, name)[kept]
        after["steps"] = self.steps + self.count
        last = self.last_events()
        after["last_time_ms"][batch.user[last]] = self.clock_ms[last]

    def _places(
        self, user: NDArray[np.int64], last_step: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers [P, count] of the last steps, newest first, and where each lies in (rings, batch)."""
        ring = self.memory["ring_item"].shape[1]
        step = last_step[:, None] - np.arange(count)  # [P, count]
        ahead = step - self.steps[user][:, None]  # [P, count], ≥ 0: an event of the batch
        before = user[:, None] * ring + step % ring
        return step, np.where(ahead < 0, before, len(self.memory) * ring + self.start[user][:, None] + ahead)

    def _clock(self) -> NDArray[np.int64]:
        user, time_ms = self.batch.user, self.batch.time_ms
        known = self.steps[user] > 0
        clock = np.where(known, np.maximum(time_ms, self.memory["last_time_ms"][user]), time_ms)
        if not bool(((clock[1:] < clock[:-1]) & (self.position[1:] > 0)).any()):
            return clock
        # A running maximum that starts anew with each user: compare ranks, shifted apart from user to user.
        times, rank = np.unique(clock, return_inverse=True)
        shift = user * len(times)
        return times[np.maximum.accumulate(rank + shift) - shift]

    def _said(self, codes: NDArray[np.uint8] | None) -> EventFeatures:
        batch, names = self.batch, self.memory.dtype.names or ()
        value = np.zeros(len(batch), np.uint8) if batch.value is None else value_buckets(batch.value)
        if codes is None:
            codes = np.zeros((len(batch), BYTES if "ring_text" in names else 0), np.uint8)
        return EventFeatures(batch.item, batch.type, self._gaps(), value, codes)

    def _gaps(self) -> NDArray[np.int64]:
        user = self.batch.user
        previous = np.where(self.position > 0, np.roll(self.clock_ms, 1), self.memory["last_time_ms"][user])
        seconds = np.floor((self.clock_ms.astype(np.float64) - previous) / 1000)
        bucket = np.frexp(1 + seconds.clip(min=0))[1].astype(np.int64)
        return np.where(self.step > 0, bucket.clip(max=GAP_BUCKETS - 1), 0)

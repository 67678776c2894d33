"""Windows of users' events for online training: a queue of new ones and a buffer of old ones to replay."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig
from models.data.event_features import EventFeatures
from models.data.growable_array import FIRST_ROWS, grown
from models.data.influence import NO_LIMITS, InfluenceLimits, event_influence, judged_by
from models.data.user_profile import stored_profiles
from models.data.user_state import ordered_history

_FEATURE_TYPES: Final = {"item": np.int32, "type": np.uint8, "gap": np.uint8, "value": np.uint8, "text": np.uint8}


@dataclass(frozen=True, slots=True)
class TrainingWindows:
    """B windows of a user's last events, oldest first, left-aligned."""

    features: EventFeatures
    """[B, T]; item 0 where an event has no item, and in the padding"""
    length: NDArray[np.int64]
    """[B] events of the window"""
    new_events: NDArray[np.int64]
    """[B] how many of the last events are targets"""
    from_first_event: NDArray[np.bool_]
    """[B] whether the window begins with the user's first event"""
    user: NDArray[np.uint32]
    """[B] number of the user, by which `without_users` knows the window; 0: none"""
    profile: NDArray[np.float32]
    """[B, F] what is known of the user (models/data/user_profile.py), NaN where missing"""

    def __len__(self) -> int:
        return len(self.length)

    @property
    def item(self) -> NDArray[np.int64]:
        """[B, T] item index of each event."""
        return self.features.item

    def forget(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item, in place."""
        self.item[np.isin(self.item, gone)] = 0

    def without_users(self, users: NDArray[np.uint32]) -> "TrainingWindows":
        """Those of all other users."""
        return self[np.flatnonzero(~np.isin(self.user, users[users > 0]))]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "TrainingWindows":
        return TrainingWindows(*(getattr(self, field.name)[rows] for field in fields(self)))

    def influence(self, limits: InfluenceLimits) -> NDArray[np.float32]:
        """[B, T] how much each new event may change the weights, from 0 to 1; 0 for all others."""
        influence = np.zeros(self.item.shape, np.float32)
        row, column = np.nonzero(self._is_new())
        judging, held_events = judged_by(column, self.length[row])
        items, gaps = (array[row[:, None], judging] for array in (self.item, self.features.gap))
        influence[row, column] = event_influence(self.item[row, column], items, gaps, held_events, limits)
        return influence

    def _is_new(self) -> NDArray[np.bool_]:
        """[B, T] whether the event is new."""
        column = np.arange(self.item.shape[1])
        return (column >= (self.length - self.new_events)[:, None]) & (column < self.length[:, None])

    def targets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(window, column) of each target: a new event that has an item and whose history is in the window."""
        is_target = self._is_new() & (self.item > 0)  # [B, T]
        is_target[:, 0] &= self.from_first_event
        window, column = np.nonzero(is_target)
        return window, column

    @staticmethod
    def concatenate(parts: Sequence["TrainingWindows"]) -> "TrainingWindows":
        """All windows of all parts, as wide as the longest of them."""
        length, new_events, from_first_event, user, profile = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("length", "new_events", "from_first_event", "user", "profile")
        )
        width = int(length.max(initial=1))
        features = EventFeatures.concatenate([part.features[:, :width] for part in parts])
        return TrainingWindows(features, length, new_events, from_first_event, user, profile)


def last_windows(
    rows: NDArray[np.void], new_events: NDArray[np.int64], users: NDArray[np.uint32] | None = None
) -> TrainingWindows:
    """The history of each row [U] with new events; new are those of the last `new_events` [U] that the ring holds.

    `users` [U] are the numbers of the users, where they are known.
    """
    row = np.flatnonzero(new_events)
    features, length = ordered_history(rows, row)
    user = np.zeros(len(row), np.uint32) if users is None else users[row]
    from_first_event, profile = rows["steps"][row] == length, stored_profiles(rows[row])
    return TrainingWindows(features, length, np.minimum(new_events[row], length), from_first_event, user, profile)


class WindowQueue:
    """Windows that wait for their optimizer step, first in first out, bounded by their new events. Not thread-safe."""

    def __init__(self, max_events: int) -> None:
        self.events = 0
        """New events in the queue"""
        self.dropped_events = 0
        """New events that newer ones pushed out before they were taken"""
        self._max_events = max_events
        self._blocks: deque[TrainingWindows] = deque()

    def put(self, windows: TrainingWindows) -> None:
        """Append; the oldest blocks are dropped, each as a whole, until the rest fits."""
        self._blocks.append(windows)
        self.events += int(windows.new_events.sum())
        while self.events > self._max_events and len(self._blocks) > 1:
            dropped = int(self._blocks.popleft().new_events.sum())
            self.events -= dropped
            self.dropped_events += dropped

    def forget(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item."""
        for block in self._blocks:
            block.forget(gone)

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop the windows of these users."""
        blocks = [block.without_users(users) for block in self._blocks]
        self._blocks = deque(block for block in blocks if len(block))
        self.events = sum(int(block.new_events.sum()) for block in self._blocks)

    def take(self, max_events: int) -> list[TrainingWindows]:
        """The oldest windows with up to `max_events` new events together, at least one window."""
        taken: list[TrainingWindows] = []
        remaining = max_events
        while self._blocks and remaining > 0:
            block = self._blocks.popleft()
            split = int(np.searchsorted(np.cumsum(block.new_events), remaining, side="right"))
            if split < len(block):
                split = split if taken or split else 1
                self._blocks.appendleft(block[split:])
                block = block[:split]
                remaining = 0
            if len(block):
                taken.append(block)
                new_events = int(block.new_events.sum())
                self.events -= new_events
                remaining -= new_events
        return taken


class ReplayBuffer:
    """A bounded sample of past windows (reservoir sampling), and how often it holds each item.

    A window enters with probability new_events / length, so each event is held about once however often its user's
    windows overlap; in a full buffer it replaces a random one, so old windows fade out. New events count by their
    influence.
    """

    def __init__(
        self,
        config: LearnerConfig,
        history_length: int,
        generator: np.random.Generator,
        text_bytes: int = 0,
        profile_width: int = 0,
    ) -> None:
        capacity = config.reservoir_windows
        self._generator = generator
        self._windows = TrainingWindows(
            features=EventFeatures.zeros((capacity, history_length), text_bytes),
            length=np.zeros(capacity, dtype=np.int64),
            new_events=np.zeros(capacity, dtype=np.int64),
            from_first_event=np.zeros(capacity, dtype=np.bool_),
            user=np.zeros(capacity, dtype=np.uint32),
            profile=np.zeros((capacity, profile_width), np.float32),
        )
        self._size = 0
        self._item_counts = np.zeros(FIRST_ROWS, dtype=np.int64)

    def __len__(self) -> int:
        return self._size

    def put(self, windows: TrainingWindows, limits: InfluenceLimits = NO_LIMITS) -> None:
        """Keep a random sample of these windows."""
        capacity = len(self._windows)
        random = self._generator.random(len(windows))
        new_events = windows.influence(limits).sum(1)
        chosen = np.flatnonzero(random * windows.length < new_events)[:capacity]
        appended = min(len(chosen), capacity - self._size)
        replaced = self._generator.permutation(self._size)[: len(chosen) - appended]
        rows = np.concatenate([np.arange(self._size, self._size + appended), replaced])
        self._update_counts(windows.item[chosen], self._windows.item[rows])
        width = windows.item.shape[1]
        padded = EventFeatures.zeros((len(rows), self._windows.item.shape[1]), windows.features.text.shape[-1])
        padded.put((slice(None), slice(width)), windows.features[chosen])
        self._windows.features.put(rows, padded)
        self._windows.length[rows] = windows.length[chosen]
        self._windows.from_first_event[rows] = windows.from_first_event[chosen]
        self._windows.new_events[rows] = windows.length[chosen]
        self._windows.user[rows] = windows.user[chosen]
        self._windows.profile[rows] = windows.profile[chosen]
        self._size += appended

    def forget(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item."""
        self._windows.forget(gone)
        self._item_counts[gone[gone < len(self._item_counts)]] = 0

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop the windows of these users."""
        held = self._windows[: self._size]
        kept = held.without_users(users)
        if len(kept) < len(held):
            self._hold(kept)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of the windows, 15 bytes per event, for `restore`."""
        held = self._windows[: self._size]
        features = {name: getattr(held.features, name).astype(kind) for name, kind in _FEATURE_TYPES.items()}
        return (
            features
            | {name: getattr(held, name).astype(np.int32) for name in ("length", "new_events")}
            | {"from_first_event": held.from_first_event.astype(np.uint8), "user": held.user.view(np.int32)}
            | self._profile_state(held)
        )

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Hold the windows of `state`, as many as there is room for, instead of those that are here."""
        size = min(len(state["length"]), len(self._windows))
        features = EventFeatures(
            *(
                state[field.name][:size].astype(getattr(self._windows.features, field.name).dtype)
                for field in fields(EventFeatures)
            )
        )
        length, new_events = (state[name][:size].astype(np.int64) for name in ("length", "new_events"))
        from_first_event = state["from_first_event"][:size].astype(np.bool_)
        # Earlier versions saved no users.
        user = state["user"][:size].view(np.uint32) if "user" in state else np.zeros(size, np.uint32)
        profile = np.full((size, self._windows.profile.shape[1]), np.nan, np.float32)
        if "profile" in state:
            profile[state["profile_known"][:size] > 0] = state["profile"][:size][state["profile_known"][:size] > 0]
        self._hold(TrainingWindows(features, length, new_events, from_first_event, user, profile))

    @staticmethod
    def _profile_state(held: TrainingWindows) -> dict[str, NDArray[Any]]:
        """Profiles without NaN, which no checkpoint may have."""
        if not held.profile.shape[1]:
            return {}
        known = np.isfinite(held.profile)
        return {"profile": np.where(known, held.profile, 0), "profile_known": known.astype(np.uint8)}

    def _hold(self, windows: TrainingWindows) -> None:
        """Hold these windows, which must fit, instead of those that are here."""
        self._size = len(windows)
        self._windows.features.put(slice(self._size), windows.features)
        for name in ("length", "new_events", "from_first_event", "user", "profile"):
            getattr(self._windows, name)[: self._size] = getattr(windows, name)
        self._item_counts = np.zeros(FIRST_ROWS, np.int64)
        self._update_counts(windows.item, windows.item[:0])

    def sample(self, count: int) -> TrainingWindows:
        """Random windows without replacement; all their events count as new."""
        return self._windows[self._generator.choice(self._size, min(count, self._size), replace=False)]

    def sample_items(self, count: int, items: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Draw items half by their count in the buffer, half uniformly from 1 to `items`; with their probabilities."""
        cells = self._windows.item[: self._size].ravel()
        by_count = cells[self._generator.integers(0, len(cells), count // 2)] if len(cells) else cells
        by_count = by_count[by_count > 0]
        item = np.concatenate([by_count, self._generator.integers(1, items + 1, count - len(by_count))])
        # A draw that hits an empty cell becomes a uniform one: the share drawn by count is that of the full cells.
        total = int(self._item_counts.sum())
        share = (count // 2) / count * total / max(len(cells), 1)
        counts = self._item_counts
        item_count = np.where(item < len(counts), counts[np.minimum(item, len(counts) - 1)], 0)
        return item, share * item_count / max(total, 1) + (1 - share) / items

    def _update_counts(self, added: NDArray[np.int64], removed: NDArray[np.int64]) -> None:
        self._item_counts = grown(self._item_counts, int(added.max(initial=0)) + 1)
        for items, sign in ((added, 1), (removed, -1)):
            np.add.at(self._item_counts, items[items > 0], sign)

"""Stretches of users' events that the learner trains on: those that wait, and those remembered for replay."""

from collections import deque
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig
from models.data.event_features import EventFeatures
from models.data.events import EventBatch
from models.data.user_state import ordered_history


@dataclass(frozen=True, slots=True)
class TrainingWindows:
    """B windows of a user's last steps, oldest first, from column 0 on."""

    steps: EventFeatures
    """[B, T] item 0 also pads"""
    length: NDArray[np.int64]
    """[B] steps of the window"""
    new: NDArray[np.int64]
    """[B] the last steps that are to be learnt"""
    whole: NDArray[np.bool_]
    """[B] whether the window begins with the user's first event"""

    def __len__(self) -> int:
        return len(self.length)

    @property
    def item(self) -> NDArray[np.int64]:
        """[B, T] item index of each step."""
        return self.steps.item

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "TrainingWindows":
        return TrainingWindows(*(getattr(self, field.name)[rows] for field in fields(self)))

    def targets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(window, step) of each step to be learnt: it has an item, and what came before it is known."""
        step = np.arange(self.item.shape[1])
        due = (step >= (self.length - self.new)[:, None]) & (step < self.length[:, None]) & (self.item > 0)
        due[:, 0] &= self.whole
        window, at = np.nonzero(due)
        return window, at


def last_windows(batch: EventBatch, memory_after: NDArray[np.void]) -> TrainingWindows:
    """The ring of each user of the batch, unrolled; new are the events of the batch that it still holds."""
    count = np.bincount(batch.user, minlength=len(memory_after))
    user = np.flatnonzero(count)
    last, length = ordered_history(memory_after, user)
    return TrainingWindows(last, length, np.minimum(count[user], length), memory_after["steps"][user] == length)


def join(parts: list[TrainingWindows]) -> TrainingWindows:
    """All windows of all parts, cut to the longest."""
    length, new, whole = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("length", "new", "whole")
    )
    longest = int(length.max(initial=1))
    return TrainingWindows(EventFeatures.concatenate([part.steps[:, :longest] for part in parts]), length, new, whole)


class WindowQueue:
    """Windows that wait to be learnt, oldest first, bounded by their new events. Not thread-safe."""

    def __init__(self, max_events: int) -> None:
        self.events = 0
        self.dropped = 0
        """New events that were pushed out before they were learnt"""
        self._max_events = max_events
        self._waiting: deque[TrainingWindows] = deque()

    def put(self, windows: TrainingWindows) -> None:
        """Append; whole blocks of the oldest windows make room."""
        self._waiting.append(windows)
        self.events += int(windows.new.sum())
        while self.events > self._max_events and len(self._waiting) > 1:
            lost = int(self._waiting.popleft().new.sum())
            self.events -= lost
            self.dropped += lost

    def take(self, max_events: int) -> list[TrainingWindows]:
        """The oldest windows with up to `max_events` new events together, at least one window."""
        taken: list[TrainingWindows] = []
        room = max_events
        while self._waiting and room > 0:
            block = self._waiting.popleft()
            total = np.cumsum(block.new)
            cut = int(np.searchsorted(total, room, side="right"))
            if cut < len(block):
                cut = cut if taken or cut else 1
                self._waiting.appendleft(block[cut:])
                block = block[:cut]
                room = 0
            if len(block):
                taken.append(block)
                new = int(block.new.sum())
                self.events -= new
                room -= new
        return taken


class Reservoir:
    """A bounded memory of windows to replay, and how often it holds each item.

    A window enters with probability (new steps) / (steps), so each event is held about once however often its user's
    windows overlap; a full reservoir replaces a random one, so old windows fade out.
    """

    def __init__(self, config: LearnerConfig, ring: int, generator: np.random.Generator, code_bytes: int = 0) -> None:
        size = config.reservoir_windows
        self._generator = generator
        self._windows = TrainingWindows(
            steps=EventFeatures.zeros((size, ring), code_bytes),
            length=np.zeros(size, dtype=np.int64),
            new=np.zeros(size, dtype=np.int64),
            whole=np.zeros(size, dtype=np.bool_),
        )
        self._held = 0
        self._counts = np.zeros(1024, dtype=np.int64)

    def __len__(self) -> int:
        return self._held

    def put(self, windows: TrainingWindows) -> None:
        """Remember some of these windows."""
        size = len(self._windows)
        chosen = np.flatnonzero(self._generator.random(len(windows)) * windows.length < windows.new)[:size]
        fresh = min(len(chosen), size - self._held)
        replaced = self._generator.permutation(self._held)[: len(chosen) - fresh]
        rows = np.concatenate([np.arange(self._held, self._held + fresh), replaced])
        self._count(windows.item[chosen], self._windows.item[rows])
        width = windows.item.shape[1]
        padded = EventFeatures.zeros((len(rows), self._windows.item.shape[1]), windows.steps.text.shape[-1])
        padded.put((slice(None), slice(width)), windows.steps[chosen])
        self._windows.steps.put(rows, padded)
        self._windows.length[rows] = windows.length[chosen]
        self._windows.whole[rows] = windows.whole[chosen]
        self._windows.new[rows] = windows.length[chosen]
        self._held += fresh

    def sample(self, count: int) -> TrainingWindows:
        """Random windows, different ones, with every step to be learnt."""
        return self._windows[self._generator.choice(self._held, min(count, self._held), replace=False)]

    def sample_items(self, count: int, known: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items drawn half by how often the reservoir holds them, half evenly, and the probability of each."""
        cells = self._windows.item[: self._held].ravel()
        drawn = cells[self._generator.integers(0, len(cells), count // 2)] if len(cells) else cells
        drawn = drawn[drawn > 0]
        item = np.concatenate([drawn, self._generator.integers(1, known + 1, count - len(drawn))])
        # A cell without an item gives way to an even draw: the share of draws by count is that of the full cells.
        total = int(self._counts.sum())
        by_count = (count // 2) / count * total / max(len(cells), 1)
        held = np.where(item < len(self._counts), self._counts[np.minimum(item, len(self._counts) - 1)], 0)
        return item, by_count * held / max(total, 1) + (1 - by_count) / known

    def _count(self, added: NDArray[np.int64], removed: NDArray[np.int64]) -> None:
        highest = int(added.max(initial=0))
        if highest >= len(self._counts):
            size = 1 << highest.bit_length()
            self._counts = np.concatenate([self._counts, np.zeros(size - len(self._counts), dtype=np.int64)])
        for items, sign in ((added, 1), (removed, -1)):
            items = items[items > 0]
            np.add.at(self._counts, items, sign)

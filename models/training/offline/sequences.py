"""All users' event sequences of a log, and the slices of them that offline training turns into windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.items.reviews import Reviews
from models.items.vocabulary import ItemContentLike
from models.training.replay_buffer import TrainingWindows


@dataclass(frozen=True, slots=True)
class SequenceSlices:
    """B slices of consecutive events of one user each."""

    begin: NDArray[np.int64]
    """[B] index of the first event"""
    length: NDArray[np.int64]
    """[B]"""
    new_events: NDArray[np.int64]
    """[B] how many of the last events are targets"""
    from_first_event: NDArray[np.bool_]
    """[B] whether the slice begins with the user's first event"""

    def __len__(self) -> int:
        return len(self.begin)

    def __getitem__(self, rows: NDArray[np.int64]) -> "SequenceSlices":
        return SequenceSlices(self.begin[rows], self.length[rows], self.new_events[rows], self.from_first_event[rows])


class UserSequences:
    """Features of all events of U users, user after user, oldest first."""

    def __init__(
        self, batch: EventBatch, training_mask: NDArray[np.bool_], config: ModelConfig, content: ItemContentLike | None
    ) -> None:
        """`training_mask` [n] marks the training events; the others are held out and must come after them in each user.

        The reviews among the training events are added to `content`.
        """
        users = int(batch.user[-1]) + 1 if len(batch) else 0
        reviews = Reviews.of(batch, content)
        reviews.apply_to_items(training_mask)
        timeline = Timeline(batch, new_user_states(config, users), reviews.codes)
        self.features = timeline.features
        self._profile_width = config.profile_width  # of users in logs nothing is known
        self._start, self._count = timeline.start, timeline.count  # [U] each
        self._training_count: NDArray[np.int64] = np.bincount(batch.user, training_mask, users).astype(np.int64)
        if not np.array_equal(training_mask, timeline.position < self._training_count[batch.user]):
            raise ValueError("of each user, the training events must come before those held out")
        items = self.features.item[training_mask]
        self.training_items = items[items > 0]
        """[e] item of each training event that has one"""

    def training_slices(self, generator: np.random.Generator, max_length: int) -> SequenceSlices:
        """Slices that cover each training event once; each call draws anew where long sequences are cut."""
        count = self._training_count
        first = np.minimum(generator.integers(1, max_length + 1, len(count)), count)  # [U] length of the first slice
        first = np.where(count <= max_length, count, first)
        slices = np.where(count > 0, 1 + -(-(count - first) // max_length), 0)
        user, number = _repeat_index(slices)
        begin = np.where(number == 0, 0, first[user] + (number - 1) * max_length)
        length = np.minimum(np.where(number == 0, first[user], max_length), count[user] - begin)
        return SequenceSlices(self._start[user] + begin, length, length, begin == 0)

    def held_out_slices(self, history_length: int) -> SequenceSlices:
        """Slices that have each held-out event once as a new one, after up to `history_length` earlier events."""
        held_out = self._count - self._training_count
        user, number = _repeat_index(-(-held_out // history_length))
        first_new = self._training_count[user] + number * history_length
        end = np.minimum(first_new + history_length, self._count[user])
        begin = np.maximum(first_new - history_length, 0)
        return SequenceSlices(self._start[user] + begin, end - begin, end - first_new, begin == 0)

    def windows(
        self, slices: SequenceSlices, generator: np.random.Generator | None = None, event_dropout: float = 0.0
    ) -> TrainingWindows:
        """The slices as windows, that share of their events left out at random."""
        length, new_events = slices.length, slices.new_events
        column = np.arange(int(length.max(initial=1)))
        event = slices.begin[:, None] + column  # [B, T]
        valid = column < length[:, None]
        if event_dropout and generator is not None:
            kept = valid & (generator.random(event.shape) >= event_dropout)
            kept[:, 0] |= ~kept.any(1)
            order = np.argsort(~kept, axis=1, kind="stable")
            event = np.take_along_axis(event, order, 1)
            removed = length - kept.sum(1)
            length, new_events = length - removed, np.maximum(new_events - removed, 0)
            valid = column < length[:, None]
        features = self.features[np.where(valid, event, 0)].where(valid)
        user = np.zeros(len(length), np.uint32)
        profile = np.full((len(length), self._profile_width), np.nan, np.float32)
        return TrainingWindows(features, length, new_events, slices.from_first_event, user, profile)


def _repeat_index(times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index i repeated times[i] times, and the number of each repetition from 0."""
    index = np.repeat(np.arange(len(times)), times)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(times) - times, times)

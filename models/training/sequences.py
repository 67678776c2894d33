"""Whole lives of users, as a log tells them: what offline training cuts its windows from."""

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
    """B stretches of users' lives."""

    begin: NDArray[np.int64]
    """[B] index of the first step"""
    length: NDArray[np.int64]
    """[B]"""
    new: NDArray[np.int64]
    """[B] the last steps that are to be learnt"""
    whole: NDArray[np.bool_]
    """[B] whether the stretch begins with the user's first event"""

    def __len__(self) -> int:
        return len(self.begin)

    def __getitem__(self, rows: NDArray[np.int64]) -> "SequenceSlices":
        return SequenceSlices(self.begin[rows], self.length[rows], self.new[rows], self.whole[rows])


class UserSequences:
    """All steps of U users, user after user, oldest first."""

    def __init__(
        self, batch: EventBatch, trained: NDArray[np.bool_], config: ModelConfig, content: ItemContentLike | None
    ):
        """`trained` [n] says which events are to be learnt; of each user those come before the others.

        `content` comes to know what was written in these.
        """
        users = int(batch.user[-1]) + 1 if len(batch) else 0
        reviews = Reviews.of(batch, content)
        reviews.apply_to_items(trained)
        timeline = Timeline(batch, new_user_states(config, users), reviews.codes)
        self.steps = timeline.features
        self._start, self._count = timeline.start, timeline.count
        self._trained: NDArray[np.int64] = np.bincount(batch.user, trained, users).astype(np.int64)
        if not np.array_equal(trained, timeline.position < self._trained[batch.user]):
            raise ValueError("of each user, the events to be learnt must come before the others")
        items = self.steps.item[trained]
        self.items = items[items > 0]
        """[e] item of each event to be learnt that has one"""

    def cut(self, generator: np.random.Generator, longest: int) -> SequenceSlices:
        """The events to be learnt, each in one stretch; where each user's first one ends is drawn anew by each call."""
        count = self._trained
        first = np.minimum(generator.integers(1, longest + 1, len(count)), count)
        first = np.where(count <= longest, count, first)
        number = np.where(count > 0, 1 + -(-(count - first) // longest), 0)
        user, place = _each(number)
        begin = np.where(place == 0, 0, first[user] + (place - 1) * longest)
        length = np.minimum(np.where(place == 0, first[user], longest), count[user] - begin)
        return SequenceSlices(self._start[user] + begin, length, length, begin == 0)

    def rest(self, ring: int) -> SequenceSlices:
        """The events that are not to be learnt, each the news of one stretch, behind up to `ring` earlier ones."""
        left = self._count - self._trained
        user, place = _each(-(-left // ring))
        news = self._trained[user] + place * ring
        end = np.minimum(news + ring, self._count[user])
        begin = np.maximum(news - ring, 0)
        return SequenceSlices(self._start[user] + begin, end - begin, end - news, begin == 0)

    def windows(
        self, stretches: SequenceSlices, generator: np.random.Generator | None = None, noise: float = 0.0
    ) -> TrainingWindows:
        """The stretches as windows; with `noise`, that share of their steps is left out at random."""
        length = stretches.length
        column = np.arange(int(length.max(initial=1)))
        at = stretches.begin[:, None] + column  # [B, T]
        valid = column < length[:, None]
        new = stretches.new
        if noise and generator is not None:
            kept = valid & (generator.random(at.shape) >= noise)
            kept[:, 0] |= ~kept.any(1)
            order = np.argsort(~kept, axis=1, kind="stable")
            at = np.take_along_axis(at, order, 1)
            lost = length - kept.sum(1)
            length, new = length - lost, np.maximum(new - lost, 0)
            valid = column < length[:, None]
        steps = self.steps[np.where(valid, at, 0)].where(valid)
        return TrainingWindows(steps, length, new, stretches.whole)


def _each(number: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index i as often as number[i] says, and which time it is."""
    index = np.repeat(np.arange(len(number)), number)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(number) - number, number)

"""A trainer and workers that follow it, without Kafka."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.influence import InfluenceLimits
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.inference.step_result import StepResult
from models.inference.stream_counts import EXPERT_POPULARITY, POPULARITY
from models.items.vocabulary import ItemVocabulary
from models.releases.followed_engine import FollowedEngine
from models.releases.release import Release
from models.releases.stream_trainer import StreamTrainer

LEARNING = LearnerConfig(events_per_step=20, min_window_s=0)
USERS = 9


class Cluster:
    """A trainer and workers with users of their own, each a source of its own."""

    def __init__(
        self,
        config: ModelConfig,
        items: ItemVocabulary,
        workers: int = 2,
        learning: LearnerConfig = LEARNING,
        pair_events: int = 100,
    ) -> None:
        config = replace(config, history_length=30)
        self.config = config
        self.trainer = StreamTrainer(config, learning, items, pair_events)
        limits = InfluenceLimits.of(learning)
        self.engines = [Engine(config, items, limits=limits) for _ in range(workers)]
        self.workers = [FollowedEngine(engine) for engine in self.engines]
        self.rows: list[NDArray[np.void]] = [new_user_states(config, USERS) for _ in range(workers)]
        self.steps: list[list[StepResult]] = [[] for _ in range(workers)]
        self.read = [0] * workers

    def step(self, worker: int, batch: EventBatch) -> None:
        self.commit(worker, batch)
        self.observe(worker)

    def commit(self, worker: int, batch: EventBatch) -> None:
        step = self.engines[worker].step(batch, self.rows[worker])
        self.rows[worker] = step.rows
        self.steps[worker].append(step)

    def observe(self, worker: int) -> None:
        """The worker counts its last step."""
        step = self.steps[worker][-1]
        self.workers[worker].observe(step, np.full(len(step.rows), worker), {worker: len(self.steps[worker])})

    def train(self, worker: int, upto: int | None = None) -> None:
        """The trainer reads the worker's steps up to this one."""
        for step in self.steps[worker][self.read[worker] : upto]:
            self.trainer.observe(step.rows, step.new_events)
            self.read[worker] += 1
        while self.trainer.train_step() is not None:
            pass

    def release(self, full: bool = False) -> Release:
        release = self.trainer.release(full)
        release = Release.of(release.parts(), release.manifest)
        for worker in self.workers:
            worker.apply(release, dict(enumerate(self.read)))
        return release


def assert_same_counts(engine: Engine, other: Engine, *, gate: bool = True, exact: bool = False) -> None:
    """Equal but for the rounding of sums in another order, which the gate's first steps of Adam make large.

    Where `exact`, only ageing rounds. One may know more items, which have no counts.
    """
    counts, others = engine.counts.state(), other.counts.state()
    assert counts.keys() == others.keys()
    for name in (name for name in counts if gate or not name.startswith("gate.")):
        shape = [max(sizes) for sizes in zip(counts[name].shape, others[name].shape, strict=True)]
        array, expected = (_padded(of[name], shape) for of in (counts, others))
        if exact and name not in (POPULARITY, EXPERT_POPULARITY):
            np.testing.assert_array_equal(array, expected, err_msg=name)
        else:
            np.testing.assert_allclose(array, expected, rtol=1e-9 if exact else 1e-5, atol=1e-9, err_msg=name)


def _padded(array: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    return np.pad(array, [(0, size - length) for size, length in zip(shape, array.shape, strict=True)])


def many_items() -> ItemVocabulary:
    """In two blocks."""
    items = ItemVocabulary(1000)
    for number in range(200):
        items.add(f"i{number}")
    return items

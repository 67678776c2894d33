"""Workers that follow the releases of one trainer, as a scorer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.quality.datasets import Dataset
from bench.quality.scorer import TOP_K, EventScores
from bench.scale_out.partitioned_events import PartitionedEvents
from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.data.influence import InfluenceLimits
from models.data.user_state import new_user_states
from models.device import set_compute_threads
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.progress import ProgressCallback
from models.releases.followed_engine import FollowedEngine
from models.releases.release import Release
from models.releases.stream_trainer import PAIR_EVENTS, StreamTrainer


@dataclass(frozen=True, slots=True)
class TrainerRestarts:
    """When a new trainer takes over, which has the releases alone and an older checkpoint."""

    events: int
    """Between two restarts, at the next release"""
    checkpoint_age: int
    """Releases since the checkpoint; -1: there is none"""


class SharedScorer:
    """Each event is scored and stepped by its user's worker; the trainer learns and counts committed rows of all.

    Each `release_events` events are a release; at first fewer, whenever a tenth of all events is new, as of a trainer
    that releases by the clock. In between each worker counts its own events. Releases cross as bytes, as through Kafka.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: ModelConfig,
        learner: LearnerConfig,
        workers: int,
        batch_events: int = 128,
        release_events: int = 1024,
        pair_events: int = PAIR_EVENTS,
        restarts: TrainerRestarts | None = None,
    ) -> None:
        self.name = f"{workers} workers, one trainer"
        self.batch_events = batch_events
        self.release_bytes: list[int] = []
        """Of each release"""
        self._dataset = dataset
        set_compute_threads(model)
        self._items = ItemVocabulary(max(dataset.items, 1), ItemContent(model))
        for item_id, title, categories in zip(dataset.item_ids, dataset.titles, dataset.categories, strict=True):
            if title or categories:
                self._items.describe(item_id, title, categories)
        self._new_trainer = partial(StreamTrainer, model, learner, self._items, pair_events)
        self._trainer = self._new_trainer()
        limits = InfluenceLimits.of(learner)
        self._engines = [Engine(model, self._items, top_items=TOP_K, limits=limits) for _ in range(workers)]
        self._workers = [FollowedEngine(engine) for engine in self._engines]
        self._partitions = PartitionedEvents(dataset.users, workers, model.seed)
        self._rows = new_user_states(model, dataset.users)
        self._release_events = release_events
        self._restarts = restarts
        self._parts: dict[str, bytes] = {}  # the newest of each name
        self._checkpoints: deque[Weights] = deque(maxlen=1 if restarts is None else max(restarts.checkpoint_age, 0) + 1)
        self._position = self._events = self._since_release = self._since_restart = 0
        self._appeared_items = 0
        self._release()

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Nothing: workers and trainer start from nothing."""

    def add_candidates(self, items: int) -> None:
        """Make the items 1 … `items` candidates."""
        self._register(items)
        self._appeared_items = max(self._appeared_items, items)

    def score(self, events: EventLog) -> EventScores:
        """Each event's rank by its user's worker."""
        self._register(int(events.item.max(initial=0)))
        columns = np.full((4, len(events)), np.nan)
        for worker, index in self._partitions.of_each(events):
            grouped = events[index].grouped()
            scores = self._engines[worker].score(grouped.batch, self._rows[grouped.users], self._appeared_items)
            columns[:, index[grouped.order]] = scores.rank, scores.log_p, scores.top1_p, scores.top1_hit
        rank, log_p, top1_p, top1_hit = columns
        no_values, no_lists = np.full(len(events), np.nan), np.zeros((0, TOP_K), np.int64)
        return EventScores(rank, log_p, top1_p, top1_hit > 0, no_values, no_lists)

    def step(self, events: EventLog, learn: bool) -> None:
        """Step each worker's events; with `learn`, the trainer then reads their rows."""
        self._register(int(events.item.max(initial=0)))
        self._appeared_items = max(self._appeared_items, int(events.item.max(initial=0)))
        steps, position = [], self._position + 1
        for worker, index in self._partitions.of_each(events):
            grouped = events[index].grouped()
            step = self._engines[worker].step(grouped.batch, self._rows[grouped.users])
            self._rows[grouped.users] = step.rows
            if learn:
                self._workers[worker].observe(step, np.full(len(step.rows), worker), {worker: position})
                steps.append(step)
        if not learn:
            return
        self._position = position
        rows = np.concatenate([step.rows for step in steps])
        new_events: NDArray[np.int64] = np.concatenate([step.new_events for step in steps])
        self._trainer.observe(rows, new_events)
        while self._trainer.train_step() is not None:
            pass
        self._events += len(events)
        self._since_release += len(events)
        self._since_restart += len(events)
        if self._since_release >= min(self._release_events, self._events // 10):
            self._release()
            if self._restarts is not None and self._since_restart >= self._restarts.events:
                self._restart(self._restarts)

    def _release(self) -> None:
        release = self._trainer.release(full=False)
        parts, manifest = release.parts(), release.manifest
        self.release_bytes.append(sum(map(len, parts.values())))
        covered = dict.fromkeys(range(len(self._workers)), self._position)
        for worker in self._workers:
            worker.apply(Release.of(parts, manifest), covered)
        self._since_release = 0
        if self._restarts is not None:
            self._parts |= parts
            self._manifest = manifest
            self._checkpoints.append(self._trainer.checkpoint())

    def _restart(self, restarts: TrainerRestarts) -> None:
        self._trainer = self._new_trainer()
        self._trainer.restore(Release.of(self._parts, self._manifest))
        if restarts.checkpoint_age >= 0:
            self._trainer.restore_learner(self._checkpoints[0])
        self._since_restart = 0

    def _register(self, latest: int) -> None:
        for item_id in self._dataset.item_ids[len(self._items) + 1 : latest + 1]:
            self._items.add(item_id)

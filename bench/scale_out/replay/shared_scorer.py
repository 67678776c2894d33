"""Workers that follow the releases of one trainer, as a scorer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.quality.datasets import Dataset
from bench.quality.scorer import TOP_K, EventScores
from bench.scale_out.replay.partitioned_events import PartitionedEvents
from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.data.influence import InfluenceLimits
from models.data.user_state import new_user_states
from models.device import set_compute_threads
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from models.releases.followed_engine import FollowedEngine
from models.releases.manifest import Manifest
from models.releases.release import Release
from models.releases.stream_trainer import PAIR_EVENTS, StreamTrainer


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
        self._trainer = StreamTrainer(model, learner, self._items, pair_events)
        limits = InfluenceLimits.of(learner)
        self._engines = [Engine(model, self._items, top_items=TOP_K, limits=limits) for _ in range(workers)]
        self._workers = [FollowedEngine(engine) for engine in self._engines]
        self._partitions = PartitionedEvents(dataset.users, workers, model.seed)
        self._rows = new_user_states(model, dataset.users)
        self._lineage = np.zeros(dataset.users, np.uint32)
        self._release_events = release_events
        self._position = self._events = self._since_release = 0
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
            step = self._engines[worker].step(
                grouped.batch, self._rows[grouped.users], lineage=self._lineage[grouped.users]
            )
            self._rows[grouped.users] = step.rows
            self._lineage[grouped.users] = step.predictions.model_version.lineage
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
        if self._since_release >= min(self._release_events, self._events // 10):
            self._release()

    def _release(self) -> None:
        release = self._trainer.release(full=False)
        parts, manifest = release.parts(), release.manifest
        self._keep(parts, manifest)
        self.release_bytes.append(sum(map(len, parts.values())))
        covered = dict.fromkeys(range(len(self._workers)), self._position)
        for worker in self._workers:
            worker.apply(Release.of(parts, manifest), covered)
        self._since_release = 0

    def _keep(self, parts: Mapping[str, bytes], manifest: Manifest) -> None:
        """Nothing: for who starts anew from the releases."""

    def _register(self, latest: int) -> None:
        for item_id in self._dataset.item_ids[len(self._items) + 1 : latest + 1]:
            self._items.add(item_id)

"""Workers that learn and count alone, as a scorer."""

from __future__ import annotations

import numpy as np

from bench.quality.datasets import Dataset
from bench.quality.scorer import TOP_K, EventScores
from bench.quality.worker_scorer import WorkerScorer
from bench.scale_out.replay.partitioned_events import PartitionedEvents
from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.progress import ProgressCallback


class LoneScorer:
    """Each event is scored, stepped, counted and learnt by its user's worker alone."""

    def __init__(
        self, dataset: Dataset, model: ModelConfig, learner: LearnerConfig, workers: int, batch_events: int = 128
    ) -> None:
        self.name = f"{workers} workers, each alone"
        self.batch_events = batch_events
        self._workers = [WorkerScorer(dataset, model, learner, batch_events=batch_events) for _ in range(workers)]
        self._partitions = PartitionedEvents(dataset.users, workers, model.seed)

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Nothing: workers start from nothing."""

    def add_candidates(self, items: int) -> None:
        """Make the items 1 … `items` candidates."""
        for worker in self._workers:
            worker.add_candidates(items)

    def score(self, events: EventLog) -> EventScores:
        """Each event's rank by its user's worker."""
        columns = np.full((4, len(events)), np.nan)
        for worker, index in self._partitions.of_each(events):
            scores = self._workers[worker].score(events[index])
            columns[:, index] = scores.rank, scores.log_p, scores.top1_p, scores.top1_hit
        rank, log_p, top1_p, top1_hit = columns
        no_values, no_lists = np.full(len(events), np.nan), np.zeros((0, TOP_K), np.int64)
        return EventScores(rank, log_p, top1_p, top1_hit > 0, no_values, no_lists)

    def step(self, events: EventLog, learn: bool) -> None:
        """Step each worker's events."""
        for worker, index in self._partitions.of_each(events):
            self._workers[worker].step(events[index], learn)
        self.add_candidates(int(events.item.max(initial=0)))

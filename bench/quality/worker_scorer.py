"""The worker as a scorer: its engine and its online learner, in turn in one thread."""

from __future__ import annotations

import numpy as np

from bench.quality.datasets import Dataset
from bench.quality.scorer import TOP_K, EventScores
from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.progress import ProgressCallback
from models.training.offline.sequences import UserSequences
from models.training.offline.trainer import Trainer
from models.training.prequential_replay import PrequentialReplay
from models.training_config import TrainingConfig


class WorkerScorer:
    """Scores a batch, processes it, then takes optimizer steps while enough events wait for one.

    With `training`, the weights are first trained offline on the past; its events are then counted, not learnt again.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: ModelConfig,
        learner: LearnerConfig,
        training: TrainingConfig | None = None,
        batch_events: int = 128,
        name: str = "worker",
        restart_events: int | None = None,
        float32_rows: bool = False,
    ) -> None:
        """`restart_events`: how many events the learner learns between two restarts; None: it is never restarted.

        `float32_rows`: users' states are kept in single instead of half precision.
        """
        self.name = name
        self.batch_events = batch_events
        self._dataset = dataset
        self._model = model
        self._training = training
        set_compute_threads(model)
        self._items = self._new_vocabulary()
        self._replay = PrequentialReplay(model, learner, self._items, dataset.users, TOP_K, float32_rows)
        self._restart_events = restart_events
        self._events_since_restart = 0
        self._trained_events = 0  # how many of the next events the weights were trained on
        self._appeared_items = 0
        self._top_items = np.zeros((0, TOP_K), dtype=np.int64)

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Train offline, where `training` is given."""
        if self._training is None or not len(events):
            return
        items = self._new_vocabulary()
        self._register(items, int(events.item.max()))
        self._trained_events = int(len(events) * (1 - self._training.held_out_share))
        grouped = events.grouped()
        sequences = UserSequences(grouped.batch, grouped.order < self._trained_events, self._model, items.content)
        trainer = Trainer(self._model, self._training, items, sequences)
        while not trainer.done:
            trainer.train_epoch(on_progress)
        self._replay.restore(trainer.weights())

    def add_candidates(self, items: int) -> None:
        """Make the items 1 … `items` candidates."""
        self._register(self._items, items)
        self._appeared_items = max(self._appeared_items, items)

    def score(self, events: EventLog) -> EventScores:
        """Each event's rank by the user state right before it and the weights before all of them."""
        self._register(self._items, int(events.item.max(initial=0)))
        scores = self._replay.score(events, self._appeared_items)
        return EventScores(
            rank=scores.rank,
            log_p=scores.log_p,
            top1_p=scores.top1_p,
            top1_hit=scores.top1_hit > 0,
            expected_value=np.full(len(events), np.nan),
            top_items=self._top_items,
        )

    def step(self, events: EventLog, learn: bool) -> None:
        """Process a batch as a worker does; with `learn`, then train as its learner thread does."""
        latest = int(events.item.max(initial=0))
        self._register(self._items, latest)
        self._appeared_items = max(self._appeared_items, latest)
        trained, self._trained_events = self._trained_events, max(self._trained_events - len(events), 0)
        if trained:
            self._replay.replay(events[:trained])
        if trained < len(events):
            self._top_items = self._replay.step(events[trained:], learn).item
            self._events_since_restart += len(events) - trained
        if self._restart_events is not None and self._events_since_restart >= self._restart_events:
            self._replay.restart_learner()
            self._events_since_restart = 0

    def weights(self) -> Weights:
        """The present weights and counts."""
        return self._replay.weights()

    def _new_vocabulary(self) -> ItemVocabulary:
        dataset = self._dataset
        items = ItemVocabulary(max(dataset.items, 1), ItemContent(self._model))
        for item_id, title, categories in zip(dataset.item_ids, dataset.titles, dataset.categories, strict=True):
            if title or categories:
                items.describe(item_id, title, categories)
        return items

    def _register(self, items: ItemVocabulary, latest: int) -> None:
        for item_id in self._dataset.item_ids[len(items) + 1 : latest + 1]:
            items.add(item_id)

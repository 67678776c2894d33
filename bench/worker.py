"""The worker as a scorer: its engine and its learner, in one thread, one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.datasets import Dataset, Events
from bench.scorer import TOP, Scores
from models.config import LearnerConfig, ModelConfig
from models.content import ItemContent
from models.engine import Engine
from models.events import EventBatch
from models.items import Items
from models.learner import Learner
from models.memory import new_memory


class WorkerScorer:
    """Scores a batch, steps its users, then learns while a full step of events waits."""

    def __init__(
        self,
        dataset: Dataset,
        model: ModelConfig,
        learner: LearnerConfig,
        epochs: int = 1,
        batch_events: int = 128,
        name: str = "worker",
    ) -> None:
        self.name = name
        self.batch_events = batch_events
        self._dataset = dataset
        self._model = model
        self._epochs = epochs
        self._items = Items(max(dataset.items, 1), ItemContent(model))
        for item_id, title, categories in zip(dataset.item_ids, dataset.titles, dataset.categories, strict=True):
            if title or categories:
                self._items.describe(item_id, title, categories)
        self._learner = Learner(model, learner, self._items)
        self._known = 0
        self._begin()

    def fit(self, events: Events) -> None:
        """All passes but the one that is scored: it is the last."""
        for _ in range(self._epochs - 1):
            for low in range(0, len(events), self.batch_events):
                self.step(events[low : low + self.batch_events], learn=True)
            self._begin()

    def know(self, items: int) -> None:
        """Make the items up to this number candidates."""
        self._register(items)
        self._known = max(self._known, items)

    def score(self, events: Events) -> Scores:
        """Each event's place under the state right before it, and under the weights before all of them."""
        batch, order, users = self._collate(events)
        found = self._engine.score(batch, self._memory[users], self._known)
        back = np.argsort(order)
        return Scores(
            rank=found.rank[back],
            log_p=found.log_p[back],
            top1_p=found.top1_p[back],
            top1_hit=found.top1_hit[back] > 0,
            value=np.full(len(events), np.nan),
            shown=self._shown,
        )

    def step(self, events: Events, learn: bool) -> None:
        """What the worker does with a batch; with `learn`, what its learning thread does until nothing is due."""
        batch, _, users = self._collate(events)
        step = self._engine.step(batch, self._memory[users])
        self._memory[users] = step.memory
        self._shown = step.predictions.item
        self._known = max(self._known, int(events.item.max(initial=0)))
        if not learn:
            return
        self._learner.observe(batch, step.memory)
        learnt = None
        while self._learner.ready:
            learnt = self._learner.learn()
        if learnt is not None:
            self._engine.update(self._learner.weights())

    def _begin(self) -> None:
        self._engine = Engine(self._model, self._items, top_items=TOP)
        self._engine.update(self._learner.weights())
        self._memory = new_memory(self._model, self._dataset.users)
        self._shown = np.zeros((0, TOP), dtype=np.int64)
        self._known = 0

    def _collate(self, events: Events) -> tuple[EventBatch, NDArray[np.int64], NDArray[np.int64]]:
        """The events grouped by user, the order that groups them, and the users."""
        self._register(int(events.item.max(initial=0)))
        order = np.argsort(events.user, kind="stable")
        users, row = np.unique(events.user[order], return_inverse=True)
        batch = EventBatch(
            row,
            events.item[order],
            events.type[order],
            events.time_ms[order],
            value=events.value[order].astype(np.float32),
            text=events.text[order].tolist(),
        )
        return batch, order, users

    def _register(self, items: int) -> None:
        for item_id in self._dataset.item_ids[len(self._items) + 1 : items + 1]:
            self._items.add(item_id)

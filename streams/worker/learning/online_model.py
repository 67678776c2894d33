"""The worker's model: the engine that predicts, the thread that learns, and their checkpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from models import checkpoint
from models.data.influence import InfluenceLimits
from models.inference.engine import Engine, StepResult
from models.inference.predictions import ModelVersion
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.training.online import OnlineLearner
from streams.settings.settings import Settings
from streams.worker.items.item_index import ItemIndex
from streams.worker.learning.learner_thread import LearnerThread
from streams.worker.process.threads import in_thread

log = logging.getLogger(__name__)


class OnlineModel:
    """Engine and learner over one vocabulary; weights are saved in the data folder and loaded from there."""

    def __init__(self, settings: Settings, items: ItemVocabulary, on_error: Callable[[BaseException], None]) -> None:
        predictions = settings.predictions
        self._settings = settings
        self._items = items
        self._checkpoint_dir = settings.worker.data_dir / "checkpoints"
        self.engine = Engine(
            settings.model,
            items,
            predictions.top_items,
            predictions.top_categories,
            predictions.top_because,
            limits=InfluenceLimits.of(settings.learning),
        )
        self._learner = LearnerThread(
            OnlineLearner(settings.model, settings.learning, items),
            publish=self.engine.update,
            save=self._save,
            settings=settings.worker,
            on_error=on_error,
        )

    def observe(self, step: StepResult, full: bool) -> None:
        """Counts the events of a committed step and queues them for learning; `full`: more of them wait."""
        self.engine.observe(step)
        self._learner.behind_backlog = full
        self._learner.observe(step.rows, step.new_events)

    def take_left_out(self) -> float:
        """Events that were not learnt since the last call because their users send too fast or repeat one item."""
        return self._learner.take_left_out()

    async def start(self, index: ItemIndex) -> None:
        """Loads the newest checkpoint and starts the learner; the checkpoint's items are registered first."""
        self._learner.start(await self._load(index))

    async def stop(self) -> None:
        """Ends the learner and saves its weights."""
        await asyncio.to_thread(self._learner.stop)

    async def _load(self, index: ItemIndex) -> Weights | None:
        """The worker's own checkpoint, else the trained one, else None; the engine continues from its counts."""
        trained_dir = self._settings.worker.trained_dir
        folder = self._checkpoint_dir if checkpoint.exists(self._checkpoint_dir) else trained_dir
        ids = await in_thread(checkpoint.item_ids, folder)
        # An item index that is new, or was lost, continues as the checkpoint has it. A different one is left alone.
        if ids[: len(self._items)] == self._items.ids(len(self._items)):
            await index.register(ids)
        weights = await in_thread(checkpoint.load, folder, self._settings.model, self._items)
        if weights is not None:
            log.info("weights %s of %s", ModelVersion(weights.lineage, weights.version), folder)
            self.engine.restore(weights.experts, weights.registered)
        return weights

    def _save(self, weights: Weights) -> None:
        weights = replace(weights, experts=self.engine.experts())
        checkpoint.save(self._checkpoint_dir, weights, self._settings.model, self._items)

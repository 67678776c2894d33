"""The one trainer of a model: learns and counts committed rows of all partitions, and releases what changed."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.metrics.prequential_sample import PrequentialSample
from models.releases.release import Manifest, Release, in_blocks
from models.training.online import OnlineLearner, TrainStepResult


class StreamTrainer:
    """For one thread."""

    def __init__(self, config: ModelConfig, learning: LearnerConfig, items: ItemVocabulary) -> None:
        self._items = items
        self._learner = OnlineLearner(config, learning, items)
        self._engine = Engine(config, items)
        self._engine.update(self._learner.weights())
        self._counted_events = 0
        self._last_released = 0  # `_counted_events` at the last release of counts

    def observe(self, rows: NDArray[np.void], new_events: NDArray[np.int64]) -> PrequentialSample | None:
        """Score some of the last `new_events` [U] of each row's events, count all, and queue them for learning."""
        sample = self._engine.observe_rows(rows, new_events)
        self._learner.observe(rows, new_events)
        self._counted_events += int(np.minimum(new_events, rows["ring_item"].shape[1]).sum())
        return sample

    def train_step(self) -> TrainStepResult | None:
        """An optimizer step, as `OnlineLearner.train_step`, once enough events wait for it."""
        return self._learner.train_step() if self._learner.ready else None

    def release(self, with_counts: bool) -> Release:
        """What changed since the last release, counts only where asked for; the trainer scores with it from now on."""
        shared, weights = self._learner.shared_weights(), self._learner
        known = len(self._items)
        item = in_blocks(weights.take_changed(), known)
        embedding, bias = weights.item_rows(item)
        content, projection = self._items.content, shared.get("content.weight")
        if content is not None and projection is not None and content.refresh():
            embedding = embedding + torch.from_numpy(content.rows(item)) @ projection.T
        counted = np.zeros(0, np.int64)
        counts: dict[str, NDArray[Any]] = {}
        gate: dict[str, NDArray[Any]] = {}
        if with_counts:
            self._last_released = self._counted_events
            counted = in_blocks(self._engine.counts.take_changed(), known)
            counts, gate = self._engine.counts.rows(counted), self._engine.counts.gate()
        release = Release(
            Manifest(weights.lineage, weights.version, self._last_released),
            {name: tensor.numpy() for name, tensor in shared.items()},
            item,
            {"weight": embedding.numpy(), "bias": bias.numpy()},
            counted,
            counts,
            gate,
        )
        self._engine.put_weights(release.manifest.model_version, release.shared, item, embedding, bias)
        return release

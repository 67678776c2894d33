"""The one trainer of a model: learns and counts committed rows of all partitions, and releases what changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import LearnerConfig, ModelConfig
from models.data.influence import InfluenceLimits
from models.inference.engine import Engine
from models.inference.stream_counts import CountedEvents
from models.items.vocabulary import ItemVocabulary
from models.metrics.prequential_sample import PrequentialSample
from models.network.weights import Weights
from models.releases.release import Manifest, Release, in_blocks
from models.training.online import OnlineLearner, TrainStepResult


class StreamTrainer:
    """For one thread."""

    def __init__(self, config: ModelConfig, learning: LearnerConfig, items: ItemVocabulary) -> None:
        self._items = items
        self._learner = OnlineLearner(config, learning, items)
        self._engine = Engine(config, items, limits=InfluenceLimits.of(learning))
        self._engine.update(self._learner.weights())
        self._released = CountedEvents()  # with the last counts

    def restore(self, release: Release) -> None:
        """Go on from a complete release, which a trainer of the same settings made; before anything else.

        Its items must be known. The optimizer begins anew. WeightsError where it does not fit.
        """
        item = release.item
        embedding, bias = (torch.from_numpy(release.embeddings[name]) for name in ("weight", "bias"))
        shared = {name: torch.from_numpy(array) for name, array in release.shared.items()}
        self._learner.item_rows(item)  # makes room
        tensors = dict(self._learner.weights().tensors)
        if len(item):
            tensors["item"][item] = embedding - self._content(item, shared)
            tensors["item_bias"][item] = bias
        version, lineage = release.manifest.version, release.manifest.lineage
        self._learner.restore(Weights(version, tensors | shared, lr_step=version, lineage=lineage))
        self._learner.take_changed()  # all rows, which are released already
        self._engine.put_weights(release.manifest.model_version, release.shared, item, embedding, bias)
        self._released = CountedEvents(release.manifest.counted_events, release.manifest.counted_with_item)
        self._engine.counts.put_rows(release.counted, release.counts, release.gate, (), self._released)

    def observe(self, rows: NDArray[np.void], new_events: NDArray[np.int64]) -> PrequentialSample | None:
        """Score some of the last `new_events` [U] of each row's events, count all, and queue them for learning."""
        sample = self._engine.observe_rows(rows, new_events)
        self._learner.observe(rows, new_events)
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
        embedding = embedding + self._content(item, shared)
        counted = np.zeros(0, np.int64)
        counts: dict[str, NDArray[Any]] = {}
        gate: dict[str, NDArray[Any]] = {}
        if with_counts:
            self._released = self._engine.counts.counted
            counted = in_blocks(self._engine.counts.take_changed(), known)
            counts, gate = self._engine.counts.rows(counted), self._engine.counts.gate()
        release = Release(
            Manifest(weights.lineage, weights.version, *self._released),
            {name: tensor.numpy() for name, tensor in shared.items()},
            item,
            {"weight": embedding.numpy(), "bias": bias.numpy()},
            counted,
            counts,
            gate,
        )
        self._engine.put_weights(release.manifest.model_version, release.shared, item, embedding, bias)
        return release

    def _content(self, item: NDArray[np.int64], shared: Mapping[str, Tensor]) -> Tensor:
        """[n, D] or [1, 1] what the content of these items adds to their embeddings."""
        content, projection = self._items.content, shared.get("content.weight")
        if content is None or projection is None or not content.refresh():
            return torch.zeros(1, 1)
        return torch.from_numpy(content.rows(item)) @ projection.T

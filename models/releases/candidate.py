"""A model on trial: another training's weights, which learn from the same rows and predict the same events."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.inference.predictions import ModelVersion
from models.items.vocabulary import ItemVocabulary
from models.metrics.prequential_sample import PrequentialSample
from models.network.weights import Weights
from models.releases.stream_trainer import StreamTrainer

_TOP: Final = 10


class Candidate:
    """For one thread: after the trainer in use has observed the same rows, and with its counts."""

    def __init__(
        self, config: ModelConfig, learning: LearnerConfig, items: ItemVocabulary, weights: Weights, current: Weights
    ) -> None:
        """Begins with these weights, and with the counts and the gate of `current`.

        WeightsError where the weights do not fit.
        """
        self._trainer = StreamTrainer(config, learning, items)
        self._trainer.begin(weights, counts=current)
        self.scored = 0
        """Events that both have predicted"""
        self._gain = self._hits = self._current_hits = 0.0

    @property
    def version(self) -> ModelVersion:
        """Of its weights now."""
        return self._trainer.version

    @property
    def gain(self) -> float:
        """By how much its mean log-probability of the scored events is higher; 0 before the first."""
        return self._gain / max(self.scored, 1)

    @property
    def recall_at_10(self) -> float:
        """Of the scored events; 0 before the first."""
        return self._hits / max(self.scored, 1)

    @property
    def current_recall_at_10(self) -> float:
        """The same of the model in use."""
        return self._current_hits / max(self.scored, 1)

    def observe(
        self,
        rows: NDArray[np.void],
        new_events: NDArray[np.int64],
        users: NDArray[np.uint32],
        current: PrequentialSample | None,
    ) -> None:
        """Predict the events of the sample that the model in use has predicted, then count and learn as that does."""
        sample = self._trainer.observe(rows, new_events, users).sample
        if sample is None or current is None:
            return
        # The same items could be predicted by both, or by neither.
        both = np.isfinite(sample.log_p) & np.isfinite(current.log_p)
        self.scored += int(both.sum())
        self._gain += float(np.sum(sample.log_p[both] - current.log_p[both]))
        self._hits += float(np.sum(sample.rank[both] <= _TOP))
        self._current_hits += float(np.sum(current.rank[both] <= _TOP))

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """As `StreamTrainer.forget_users`."""
        self._trainer.forget_users(users)

    def train_step(self, partial: bool = False) -> None:
        """An optimizer step, once enough events wait for it, or any where `partial`."""
        self._trainer.train_step(partial)

    def use_learnt(self) -> None:
        """Predict with the newest weights from now on: whenever the model in use does."""
        self._trainer.use_learnt()

    def is_no_worse(self, events: int, margin: float) -> bool | None:
        """Whether it loses at most `margin` of mean log-probability; None before so many events were scored."""
        return None if self.scored < events else self.gain >= -margin

    def weights(self) -> Weights:
        """What `StreamTrainer.adopt` goes on from."""
        return replace(self._trainer.checkpoint(), experts={})

"""Weights that follow the stream: one optimisation step at a time over the newest events and some remembered ones."""

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.device import device_of
from models.errors import WeightsError
from models.items.vocabulary import ItemVocabulary
from models.network.dropout import Dropout
from models.network.interest_network import ITEM_TABLES, InterestNetwork
from models.network.weights import Weights
from models.text.sign_codes import BYTES
from models.training.ema import RunningMean
from models.training.loss import SampledCandidates, gradients
from models.training.optimizer import Optimizer
from models.training.replay_buffer import Reservoir, TrainingWindows, WindowQueue, join, last_windows

_EARLY_RATE = 12.0
_EARLY_STEPS = 100
"""The first steps are this many times longer, half of that after this many: from nothing, far is better than exact"""


@dataclass(frozen=True, slots=True)
class TrainStepResult:
    """What one optimisation step did."""

    loss: float
    """Mean loss of the learnt events (objective.py), by weight of their types; NaN where refused or none"""
    events: int
    """New events that were taken from the queue"""
    seconds: float
    refused: bool
    """Loss, gradient or new weights were not finite: nothing changed, and the events are not tried again"""


class OnlineLearner:
    """Its own copy of the network. One thread at a time may use it; any thread may `observe`."""

    def __init__(self, config: ModelConfig, learner: LearnerConfig, items: ItemVocabulary) -> None:
        self._model = config
        self._config = learner
        self._items = items
        device = device_of(config)
        self._network = InterestNetwork(config).to(device)
        self._reservoir = Reservoir(
            learner, config.history_length, np.random.default_rng(config.seed), BYTES if config.text != "none" else 0
        )
        self._optimizer = Optimizer(learner.optimizer, learner.max_grad_norm)
        self._dropout = Dropout(learner.input_dropout, learner.dropout, config.seed, device)
        self._mean = RunningMean()
        self._version = 0
        self._lock = threading.Lock()
        self._queue = WindowQueue(learner.queue_events)

    @property
    def pending(self) -> int:
        """Events that wait to be learnt."""
        return self._queue.events

    @property
    def ready(self) -> bool:
        """Whether enough events wait for a full step; smaller steps cost about as much and teach less."""
        return self.pending >= self._config.events_per_step

    @property
    def dropped(self) -> int:
        """Events that newer ones pushed out of the queue, never to be learnt."""
        return self._queue.dropped

    def observe(self, batch: EventBatch, memory_after: NDArray[np.void]) -> None:
        """Queue the batch's events, each with its user's last steps from the rows [U] after the batch."""
        windows = last_windows(batch, memory_after)
        with self._lock:
            self._queue.put(windows)

    def learn(self) -> TrainStepResult | None:
        """One optimisation step over the oldest waiting events and a few replayed windows; None if nothing waits."""
        started = time.perf_counter()
        with self._lock:
            taken = self._queue.take(self._config.events_per_step)
        if not taken:
            return None
        replayed = self._reservoir.sample(self._config.replay_windows)
        loss = self._improve(join([*taken, replayed]))
        for windows in taken:
            self._reservoir.put(windows)
        return TrainStepResult(
            loss=float("nan") if loss is None else loss,
            events=sum(int(windows.new.sum()) for windows in taken),
            seconds=time.perf_counter() - started,
            refused=loss is not None and not np.isfinite(loss),
        )

    def weights(self) -> Weights:
        """What is to predict: the items' newest rows and the mean of all else (running_mean.py), numbered by steps."""
        newest = self._network.snapshot(self._version)
        return Weights(newest.version, {**newest.tensors, **self._mean.tensors()})

    def restore(self, weights: Weights) -> None:
        """Go on from these weights, the optimiser's memory cleared. WeightsError where not finite or not fitting."""
        if not weights.finite():
            raise WeightsError(f"weights {weights.version} are not finite; the learner keeps those it has")
        self._network.load(weights)
        self._optimizer = Optimizer(self._config.optimizer, self._config.max_grad_norm)
        self._mean = RunningMean()
        self._version = weights.version

    def _improve(self, windows: TrainingWindows) -> float | None:
        """Loss before the step; NaN where the step was refused, None where there was nothing to learn."""
        active = self._items.active()
        known = len(active) - 1
        self._network.grow(known + 1)
        if known <= self._config.full_softmax_items:
            competitors = SampledCandidates.all(active)
        else:
            drawn, probability = self._reservoir.sample_items(self._config.sampled_items, known)
            competitors = SampledCandidates.sampled(drawn, probability, windows.item.ravel(), active)
        found = gradients(
            self._network, windows, competitors, self._items.content, self._dropout, self._model.dtype == "bfloat16"
        )
        if found is None:
            return None
        if not np.isfinite(found.loss) or not self._optimizer.apply(found.changes, self._rate()):
            return float("nan")
        self._version += 1
        tensors = self._network.state_dict()
        self._mean.add({name: each for name, each in tensors.items() if name not in ITEM_TABLES}, self._version)
        return found.loss

    def _rate(self) -> float:
        return self._config.lr * (1 + (_EARLY_RATE - 1) / (1 + self._version / _EARLY_STEPS))

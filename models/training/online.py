"""Online training: optimizer steps over the newest events of a stream, and over some replayed ones."""

import threading
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.device import compute_device, explain_out_of_memory, require_dtype
from models.errors import WeightsError
from models.items.vocabulary import ItemVocabulary
from models.network.dropout import Dropout
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from models.text.sign_codes import BYTES
from models.training.ema import SharedWeightsEMA
from models.training.loss import SampledCandidates, gradients
from models.training.optimizer import NetworkOptimizer
from models.training.replay_buffer import ReplayBuffer, TrainingWindows, WindowQueue, last_windows

_MEMORY_ADVICE = (
    "lower learning.events_per_step, learning.full_softmax_items and learning.sampled_items (items in the loss) or "
    "items.capacity"
)
_INITIAL_LR_FACTOR = 12.0
_LR_DECAY_STEPS = 100
"""lr is raised by this factor at first, by half of that after so many steps: an untrained network has far to go"""


@dataclass(frozen=True, slots=True)
class TrainStepResult:
    """What one optimizer step did."""

    loss: float
    """Mean loss of the targets before the step (loss.py), weighted by event type; NaN where skipped or no target"""
    events: int
    """New events that were taken from the queue"""
    seconds: float
    skipped: bool
    """Loss or gradient was not finite: nothing changed, and the events are not tried again"""


class OnlineLearner:
    """Trains its own copy of the network. One thread at a time may use it; any thread may `observe`."""

    @explain_out_of_memory(_MEMORY_ADVICE)
    def __init__(self, config: ModelConfig, learner: LearnerConfig, items: ItemVocabulary) -> None:
        self._model = config
        self._config = learner
        self._items = items
        require_dtype(config)
        device = compute_device(config)
        self._network = InterestNetwork(config).to(device)
        self._replay_buffer = ReplayBuffer(
            learner, config.history_length, np.random.default_rng(config.seed), BYTES if config.text != "none" else 0
        )
        self._optimizer = NetworkOptimizer(self._network, learner.optimizer, learner.max_grad_norm)
        self._dropout = Dropout(learner.input_dropout, learner.dropout, config.seed, device)
        self._ema = SharedWeightsEMA(self._network)
        self._version = 0
        self._lr_step = 0
        self._lock = threading.Lock()
        self._queue = WindowQueue(learner.queue_events)

    @property
    def pending_events(self) -> int:
        """Events that wait for a step."""
        return self._queue.events

    @property
    def ready(self) -> bool:
        """Whether enough events wait for a full step; a smaller one costs about as much."""
        return self.pending_events >= self._config.events_per_step

    @property
    def dropped_events(self) -> int:
        """Events that newer ones pushed out of the queue before any step took them."""
        return self._queue.dropped_events

    def observe(self, batch: EventBatch, rows_after: NDArray[np.void]) -> None:
        """Queue the batch's events, each with its user's history from the rows [U] after the batch."""
        windows = last_windows(batch, rows_after)
        with self._lock:
            self._queue.put(windows)

    @explain_out_of_memory(_MEMORY_ADVICE)
    def train_step(self) -> TrainStepResult | None:
        """One optimizer step over the oldest waiting events and a few replayed windows; None where nothing waits."""
        started = time.perf_counter()
        with self._lock:
            taken = self._queue.take(self._config.events_per_step)
        if not taken:
            return None
        replayed = self._replay_buffer.sample(self._config.replay_windows)
        loss = self._optimize(TrainingWindows.concatenate([*taken, replayed]))
        for windows in taken:
            self._replay_buffer.put(windows)
        return TrainStepResult(
            loss=float("nan") if loss is None else loss,
            events=sum(int(windows.new_events.sum()) for windows in taken),
            seconds=time.perf_counter() - started,
            skipped=loss is not None and not np.isfinite(loss),
        )

    def weights(self) -> Weights:
        """The weights to predict with: the newest item tables, the moving average of all else."""
        newest = self._network.snapshot(self._version)
        return replace(newest, tensors={**newest.tensors, **self._ema.tensors()}, lr_step=self._lr_step)

    def restore(self, weights: Weights) -> None:
        """Continue from these weights with a new optimizer state. WeightsError where not finite or not fitting."""
        if not weights.finite():
            raise WeightsError(f"weights {weights.version} are not finite; the learner keeps those it has")
        self._network.load(weights)
        self._optimizer = NetworkOptimizer(self._network, self._config.optimizer, self._config.max_grad_norm)
        self._ema = SharedWeightsEMA(self._network, weights.lr_step)
        self._version = weights.version
        self._lr_step = weights.lr_step

    def _optimize(self, windows: TrainingWindows) -> float | None:
        """Loss before the step; NaN where the step was skipped, None where there is no target."""
        active = self._items.active()
        known_items = len(active) - 1
        self._network.grow(known_items + 1)
        if known_items <= self._config.full_softmax_items:
            candidates = SampledCandidates.all(active)
        else:
            item, probability = self._replay_buffer.sample_items(self._config.sampled_items, known_items)
            candidates = SampledCandidates.sampled(item, probability, windows.item.ravel(), active)
        result = gradients(
            self._network, windows, candidates, self._items.content, self._dropout, self._model.dtype == "bfloat16"
        )
        if result is None:
            return None
        if not np.isfinite(result.loss) or not self._optimizer.step(result.row_gradients, self._learning_rate()):
            return float("nan")
        self._version += 1
        self._lr_step += 1
        self._ema.update()
        return result.loss

    def _learning_rate(self) -> float:
        return self._config.lr * (1 + (_INITIAL_LR_FACTOR - 1) / (1 + self._lr_step / _LR_DECAY_STEPS))

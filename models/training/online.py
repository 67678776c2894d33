"""Online training: optimizer steps over the newest events of a stream, and over some replayed ones."""

import logging
import time
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import LearnerConfig, ModelConfig
from models.data.growable_array import FIRST_ROWS, grown
from models.data.influence import InfluenceLimits
from models.device import compute_device, explain_out_of_memory, require_dtype
from models.errors import WeightsError
from models.items.vocabulary import ItemVocabulary
from models.network.dropout import Dropout
from models.network.interest_network import ITEM_TABLES, InterestNetwork
from models.network.weights import Weights
from models.text.sign_codes import BYTES
from models.training.ema import SharedWeightsEMA
from models.training.fallback_weights import MAX_REFUSED_STEPS, FallbackWeights
from models.training.learner_state import LearnerState
from models.training.learning_rate import online_learning_rate
from models.training.loss import SampledCandidates, gradients
from models.training.optimizer import NetworkOptimizer
from models.training.replay_buffer import ReplayBuffer, TrainingWindows, WindowQueue, last_windows
from models.training.train_step import TrainStepResult

log = logging.getLogger(__name__)

_MEMORY_ADVICE = (
    "lower learning.events_per_step, learning.full_softmax_items and learning.sampled_items (items in the loss) or "
    "items.capacity"
)


class OnlineLearner:
    """Trains its own copy of the network, in one thread at a time."""

    @explain_out_of_memory(_MEMORY_ADVICE)
    def __init__(self, config: ModelConfig, learner: LearnerConfig, items: ItemVocabulary) -> None:
        self._model, self._config = config, learner
        self._items, self._register = items, items.register
        self._limits = InfluenceLimits.of(learner).of_predictions(config.allow_repeats)
        require_dtype(config)
        self._network = InterestNetwork(config).to(compute_device(config))
        self._replay_buffer = ReplayBuffer(
            learner,
            config.history_length,
            np.random.default_rng(config.seed),
            BYTES if config.text != "none" else 0,
            config.profile_width,
        )
        self._optimizer = NetworkOptimizer(self._network, learner.optimizer, learner.max_grad_norm)
        self._dropout = self._dropout_of(0)
        self.average = SharedWeightsEMA(self._network)
        """Of all weights but the item tables"""
        self._fallback = FallbackWeights()
        self._version = 0
        self._lr_step = 0
        self._changed = np.zeros(FIRST_ROWS, np.bool_)
        self._registered = items.register.count  # registrations that the network follows
        self._queue = WindowQueue(learner.queue_events)
        self._queue_registered = self._registered  # those that the windows in the queue follow

    @property
    def version(self) -> int:
        """Of the weights: rises with each optimizer step."""
        return self._version

    @property
    def lineage(self) -> int:
        """Of the weights."""
        return self._network.lineage

    @property
    def lr_step(self) -> int:
        """Step of the learning-rate schedule."""
        return self._lr_step

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

    def observe(
        self, rows: NDArray[np.void], new_events: NDArray[np.int64], users: NDArray[np.uint32] | None = None
    ) -> None:
        """Queue the last `new_events` [U] of each row's events, with the history before them, by present slots.

        `users` [U]: their numbers, for `forget_users`.
        """
        windows = last_windows(rows, new_events, users)
        self._follow_queue()
        self._queue.put(windows)

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop the windows of these users, those to replay included. What was learnt from them stays learnt."""
        self._queue.forget_users(users)
        self._replay_buffer.forget_users(users)

    @explain_out_of_memory(_MEMORY_ADVICE)
    def train_step(self) -> TrainStepResult | None:
        """One optimizer step over the oldest waiting events and a few replayed windows; None where nothing waits.

        After MAX_REFUSED_STEPS steps in a row that were not finite, learning goes back to weights from before, once.
        LearningError where these are refused too.
        """
        started = time.perf_counter()
        taken = self._queue.take(self._config.events_per_step)
        registered = self._queue_registered
        self._follow(registered)
        if not taken:
            return None
        replayed = self._replay_buffer.sample(self._config.replay_windows)
        loss = self._optimize(TrainingWindows.concatenate([*taken, replayed]))
        skipped = loss is not None and not np.isfinite(loss)
        if not skipped:
            for windows in taken:
                self._replay_buffer.put(windows, self._limits)
        events = sum(int(windows.new_events.sum()) for windows in taken)
        influence = sum(float(windows.influence(self._limits).sum()) for windows in taken)
        return TrainStepResult(
            loss=float("nan") if loss is None else loss,
            events=events,
            seconds=time.perf_counter() - started,
            skipped=skipped,
            left_out=events - influence,
        )

    def follow_register(self) -> None:
        """Begin anew with slots that changed hands, as `observe` and then `train_step` do."""
        registered = self._follow_queue()
        self._follow(registered)

    def restore_learner(self, weights: Weights) -> None:
        """Go on with optimizer and windows of an earlier or the present `state()`; slots that changed hands begin anew.

        Weights that are not averaged are those of the average where steps lie between.
        """
        present, state = self.weights(), LearnerState.of(weights.learner, self._config.optimizer)
        if weights.version != present.version:
            state = replace(state, raw={name: present.tensors[name] for name in state.raw})
        self.restore(replace(present, learner=state.tensors(self._config.optimizer)))
        if weights.registered is not None:
            self._forget_learnt(self._register.taken_over(weights.registered)[1])

    def weights(self) -> Weights:
        """The weights to predict with: the newest item tables, the moving average of all else."""
        newest = self._snapshot()
        return replace(newest, tensors={**newest.tensors, **self.average.tensors()})

    def take_changed(self) -> NDArray[np.int64]:
        """Items whose rows of the item tables changed since the last call."""
        changed = np.flatnonzero(self._changed)
        self._changed[changed] = False
        return changed

    def item_rows(self, item: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Copies of the embeddings [n, D] and biases [n] of these items, on the CPU."""
        self._network.grow(int(item.max(initial=0)) + 1)
        row = torch.from_numpy(item).to(self._network.item.device)
        return self._network.item.detach()[row].cpu(), self._network.item_bias.detach()[row].cpu()

    def state(self) -> Weights:
        """`weights()` with what `restore` needs to go on as if never interrupted, but for the events that wait."""
        newest, averaged = self._snapshot(), self.average.tensors()
        raw = {name: newest.tensors[name] for name in averaged}
        state = LearnerState(raw, self._optimizer.state(), self._replay_buffer.state()).tensors(self._config.optimizer)
        return replace(newest, tensors={**newest.tensors, **averaged}, learner=state)

    def restore(self, weights: Weights) -> None:
        """Continue from these weights; without `learner` of `state()`, with a new optimizer state and no average.

        WeightsError where not finite or not fitting.
        """
        if not weights.finite():
            raise WeightsError(f"weights {weights.version} are not finite; the learner keeps those it has")
        state = LearnerState.of(weights.learner, self._config.optimizer)
        self.follow_register()  # with the windows that wait, and those to replay where the weights have none
        self._load(replace(weights, tensors={**weights.tensors, **state.raw}))
        self._optimizer.restore(state.moments)
        if state.raw:
            self.average.restore(weights.tensors)
        if state.windows:
            self._replay_buffer.restore(state.windows)
        self._forget(weights.registered)
        self._version = weights.version
        self._lr_step = weights.lr_step
        self._fallback = FallbackWeights()
        # Else frequent restarts would draw the same numbers again and again.
        self._dropout = self._dropout_of(weights.version)

    def _follow_queue(self) -> int:
        self._queue_registered, taken_over = self._register.taken_over(self._queue_registered)
        if len(taken_over):
            self._queue.forget(taken_over)
        return self._queue_registered

    def _follow(self, registered: int) -> None:
        """Follow so many registrations, at most as many as were read."""
        since, self._registered = self._registered, registered
        if registered > since:
            self._forget(since)

    def _forget(self, since: int | None) -> None:
        """Begin anew with the slots that changed hands after so many registrations; None: with none."""
        _, item = self._register.taken_over(self._register.count if since is None else since)
        if not len(item):
            return
        self._network.grow(int(item.max()) + 1)
        self._network.reset_items(item, self._register.indices(item))
        self._forget_learnt(item)
        self._mark_changed(torch.from_numpy(item))

    def _forget_learnt(self, item: NDArray[np.int64]) -> None:
        self._replay_buffer.forget(item)
        self._optimizer.reset_rows(torch.from_numpy(item[item < self._network.num_items]).to(self._network.item.device))

    def _load(self, weights: Weights) -> None:
        """Put the weights into the network, with a new optimizer state and no average."""
        self._network.load(weights)
        self._optimizer = NetworkOptimizer(self._network, self._config.optimizer, self._config.max_grad_norm)
        self.average = SharedWeightsEMA(self._network, weights.lr_step)
        self._mark_changed(None)

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
        if self._network.profile is not None:
            self._network.profile.observe(torch.from_numpy(windows.profile).to(self._network.item.device))
        result = gradients(
            self._network,
            windows,
            candidates,
            self._items.content,
            self._dropout,
            self._model.dtype == "bfloat16",
            windows.influence(self._limits),
        )
        if result is None:
            return None
        candidate = self._fallback.candidate(self._snapshot)
        lr = online_learning_rate(self._config.lr, self._lr_step)
        if not np.isfinite(result.loss) or not self._optimizer.step(result.row_gradients, lr):
            self._refuse()
            return float("nan")
        self._fallback.accept(candidate)
        for gradient in result.row_gradients:
            if gradient.name in ITEM_TABLES:
                self._mark_changed(gradient.rows)
        self._version += 1
        self._lr_step += 1
        self.average.update()
        return result.loss

    def _dropout_of(self, version: int) -> Dropout:
        seed, device = self._model.seed + version, compute_device(self._model)
        return Dropout(self._config.input_dropout, self._config.dropout, seed, device)

    def _snapshot(self) -> Weights:
        newest = self._network.snapshot(self._version)
        return replace(newest, lr_step=self._lr_step, registered=self._registered)

    def _refuse(self) -> None:
        good = self._fallback.refuse()
        if good is None:
            return
        log.warning(
            "loss or gradient of %d optimizer steps in a row was not finite: learning goes back to the weights of step "
            "%d, and what was learnt since is lost",
            MAX_REFUSED_STEPS,
            good.version,
        )
        self._load(good)
        self._forget(good.registered)
        self._version += 1  # other weights than those of the last step: another version

    def _mark_changed(self, rows: Tensor | None) -> None:
        self._changed = grown(self._changed, self._network.num_items)
        self._changed[slice(self._network.num_items) if rows is None else rows.cpu().numpy()] = True

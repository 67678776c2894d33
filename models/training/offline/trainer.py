"""Offline training: epochs over a whole log, until the loss of its held-out events stops falling.

Where torchrun has started several processes, each computes its share of the windows of each step; gradients and
held-out loss are summed over them, so that all have the same weights, and those that one process would have.

Each epoch cuts the users' sequences into new windows (sequences.py). After an epoch that does not lower the held-out
loss, training goes back to the best weights with a smaller learning rate; after `lr_reductions` of these it ends.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig
from models.device import compute_device, explain_out_of_memory
from models.errors import TrainingError
from models.items.vocabulary import ItemVocabulary
from models.network.dropout import Dropout
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights, trained_lineage
from models.progress import ProgressCallback
from models.training.loss import Gradients, SampledCandidates, gradients, log_loss
from models.training.offline.gradient_sum import sum_gradients
from models.training.offline.process_group import ALONE, ProcessGroup
from models.training.offline.sequences import SequenceSlices, UserSequences
from models.training.optimizer import NetworkOptimizer
from models.training_config import TrainingConfig

_LR_REDUCTION_FACTOR: Final = 0.3
_MIN_LOSS_DECREASE: Final = 1e-3
_HELD_OUT_SEED: Final = 1 << 32
_MIN_STEPS: Final = 30
"""Optimizer steps of an epoch, at least: a small log gets smaller ones"""

_EVENTS_PER_LR_STEP: Final = 128
"""Training events that count as one step of the online learner's lr schedule: it then goes on with a small lr"""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is."""

    epoch: int = 0
    """Epochs done"""
    steps: int = 0
    """Optimizer steps"""
    best_epoch: int = 0
    best_loss: float = float("inf")
    """Held-out loss after that epoch"""
    lr_reductions: int = 0


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What one epoch did."""

    number: int
    loss: float
    """Mean over its steps, each before it was taken"""
    held_out_loss: float
    """Mean negative log-probability of the held-out events, weighted by event type; NaN where there are none"""
    lr: float
    events: int
    seconds: float
    skipped_steps: int
    """Steps not taken because loss or gradient was not finite"""
    improved: bool


class Trainer:
    """Trains a network on a log. The same seed, log and machine give the same weights."""

    def __init__(
        self,
        config: ModelConfig,
        training: TrainingConfig,
        items: ItemVocabulary,
        sequences: UserSequences,
        group: ProcessGroup = ALONE,
    ) -> None:
        """All processes of the group must have the same configuration, items and sequences."""
        if not len(sequences.training_items):
            raise TrainingError("no event to learn from: each one needs an item, and those held out are not learnt")
        self._config = config
        self._training = training
        self._items = items
        self._group = group
        self._sequences = sequences
        self._device = compute_device(config)
        self._network = InterestNetwork(config)
        self._network.grow(len(items) + 1)
        self._network.to(self._device)
        self._optimizer = NetworkOptimizer(self._network, "adam", training.max_grad_norm)
        self._active = items.active()
        item_counts = np.bincount(sequences.training_items, minlength=len(self._active))
        self._item_shares = item_counts / len(sequences.training_items)
        self._held_out = sequences.held_out_slices(config.history_length)
        self._best = self._network.snapshot(0)
        self.progress = TrainingProgress()

    @property
    def done(self) -> bool:
        """Whether training has ended: all epochs done, or no more reductions of the learning rate."""
        progress, training = self.progress, self._training
        return progress.epoch >= training.epochs or progress.lr_reductions > training.lr_reductions

    def weights(self) -> Weights:
        """The weights of the best epoch, a lineage of their own.

        Version and lr_step are those of as many events learnt online.
        """
        return replace(self._best, lineage=trained_lineage(self._best.tensors))

    @explain_out_of_memory(
        "raise training.gradient_accumulation_steps, or lower training.batch_events, training.full_softmax_items and "
        "training.sampled_items"
    )
    def train_epoch(self, on_progress: ProgressCallback) -> EpochResult:
        """One pass over the log, then the held-out loss. TrainingError where no step of it was finite."""
        started = time.perf_counter()
        # Seeded by the epoch's number alone: a resumed training continues as if it had never been interrupted.
        number = self.progress.epoch + 1
        generator = np.random.default_rng((self._config.seed, number))
        lr = self._training.lr * _LR_REDUCTION_FACTOR**self.progress.lr_reductions
        total_loss, done, events = 0.0, 0, len(self._sequences.training_items)
        steps = skipped = 0
        for parts in self._batches(generator):
            result = self._gradients(parts, generator)
            done += sum(int(part.length.sum()) for part in parts)
            on_progress(min(done, events), events)
            if result is None:
                continue
            if not np.isfinite(result.loss) or not self._optimizer.step(result.row_gradients, lr):
                skipped += 1
                continue
            steps += 1
            total_loss += result.loss
        if not steps:
            raise TrainingError(f"no step of epoch {number} was finite: try a smaller training.lr than {lr:g}")
        held_out_loss = self._held_out_loss()
        if np.isinf(held_out_loss):
            raise TrainingError(f"held-out loss of epoch {number} is not finite: try a smaller training.lr than {lr:g}")
        improved = self._finish_epoch(number, steps, held_out_loss)
        seconds = time.perf_counter() - started
        return EpochResult(number, total_loss / steps, held_out_loss, lr, events, seconds, skipped, improved)

    def state(self) -> tuple[dict[str, Tensor], TrainingProgress]:
        """All that `restore` needs to continue as if never interrupted."""
        groups = {
            "network": self._network.snapshot(0).tensors,
            "best": self._best.tensors,
            "optimizer": self._optimizer.state(),
        }
        tensors = {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}
        versions = {
            "best_version": torch.tensor(self._best.version),
            "best_lr_step": torch.tensor(self._best.lr_step),
        }
        return tensors | versions, self.progress

    def restore(self, tensors: Mapping[str, Tensor], progress: TrainingProgress) -> None:
        """Continue from `state`. WeightsError where it is that of another network."""

        def group(name: str) -> dict[str, Tensor]:
            prefix = f"{name}/"
            return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}

        self._network.load(Weights(0, group("network")))
        self._network.to(self._device)
        self._optimizer = NetworkOptimizer(self._network, "adam", self._training.max_grad_norm)
        self._optimizer.restore(group("optimizer"))
        version, lr_step = int(tensors["best_version"]), int(tensors["best_lr_step"])
        self._best = Weights(version, group("best"), lr_step=lr_step)
        self.progress = progress

    def _finish_epoch(self, number: int, steps: int, held_out_loss: float) -> bool:
        """Keep the epoch's weights as the best, or go back to the best with a smaller lr; whether it was the best."""
        self.progress = replace(self.progress, epoch=number, steps=self.progress.steps + steps)
        # Without held-out events, the last epoch is the best.
        if np.isnan(held_out_loss) or held_out_loss < self.progress.best_loss - _MIN_LOSS_DECREASE:
            lr_step = number * len(self._sequences.training_items) // _EVENTS_PER_LR_STEP
            self._best = replace(self._network.snapshot(lr_step), lr_step=lr_step)
            self.progress = replace(self.progress, best_epoch=number, best_loss=held_out_loss)
            return True
        self._network.load(self._best)
        self._network.to(self._device)
        self._optimizer = NetworkOptimizer(self._network, "adam", self._training.max_grad_norm)
        self.progress = replace(self.progress, lr_reductions=self.progress.lr_reductions + 1)
        return False

    def _batches(self, generator: np.random.Generator) -> Iterator[list[SequenceSlices]]:
        """The epoch's slices in random order, by optimizer step: parts of slices of similar length."""
        slices = self._sequences.training_slices(generator, self._training.window)
        parts_per_step = self._training.gradient_accumulation_steps
        # Windows of a part are padded to its longest: sort by length, with noise so that like lengths mix.
        order = np.argsort(slices.length + generator.random(len(slices)) * 10, kind="stable")
        cumulative_events = np.cumsum(slices.length[order])
        step_events = min(self._training.batch_events, len(self._sequences.training_items) // _MIN_STEPS)
        part = (cumulative_events - 1) // max(step_events // parts_per_step, 1)
        bounds = np.flatnonzero(np.diff(part, prepend=-1))
        parts = np.split(order, bounds[1:])
        shuffled = generator.permutation(len(parts)).tolist()
        for low in range(0, len(shuffled), parts_per_step):
            yield [slices[parts[index]] for index in shuffled[low : low + parts_per_step]]

    def _gradients(self, parts: list[SequenceSlices], generator: np.random.Generator) -> Gradients | None:
        """Of the windows of all processes. Each draws the same random numbers, for all windows."""
        windows = [self._sequences.windows(part, generator, self._training.event_dropout) for part in parts]
        candidates = self._candidates(np.concatenate([part.item.ravel() for part in windows]), generator)
        bfloat16 = self._device.type == "cuda"
        results = []
        for part in windows:
            rows = self._group.share(len(part))
            dropout = self._dropout(int(generator.integers(1 << 62))).of_rows(rows, len(part))
            results.append(gradients(self._network, part[rows], candidates, self._items.content, dropout, bfloat16))
        with_targets = [result for result in results if result is not None]
        mean = Gradients.mean(with_targets) if with_targets else None
        return sum_gradients(mean, self._network, candidates, self._group)

    def _dropout(self, seed: int) -> Dropout:
        return Dropout(self._training.input_dropout, self._training.dropout, seed, self._device)

    def _held_out_loss(self) -> float:
        """NaN where no held-out event has a target, infinite where the weights have diverged."""
        generator = np.random.default_rng(_HELD_OUT_SEED)
        total = total_weight = 0.0
        size = max(1, self._training.batch_events // (2 * self._config.history_length))
        for low in range(0, len(self._held_out), size):
            rows = np.arange(low, min(low + size, len(self._held_out)))
            windows = self._sequences.windows(self._held_out[rows])
            candidates = self._candidates(windows.item.ravel(), generator)
            windows_of_process = windows[self._group.share(len(windows))]
            loss, weight = log_loss(self._network, windows_of_process, candidates, self._items.content)
            total, total_weight = total + loss * weight, total_weight + weight
        sums = torch.tensor([total, total_weight], dtype=torch.float64, device=self._device)
        self._group.sum(sums)
        total, total_weight = sums.tolist()
        if not total_weight:
            return float("nan")
        return total / total_weight if np.isfinite(total) else float("inf")

    def _candidates(self, needed: NDArray[np.int64], generator: np.random.Generator) -> SampledCandidates:
        """All items, or a sample: half of it by their share of the log's events, half uniform."""
        known_items, count = len(self._active) - 1, self._training.sampled_items
        if known_items <= self._training.full_softmax_items:
            return SampledCandidates.all(self._active)
        training_items = self._sequences.training_items
        by_share = training_items[generator.integers(0, len(training_items), count // 2)]
        item = np.concatenate([by_share, generator.integers(1, known_items + 1, count - len(by_share))])
        share = len(by_share) / count
        probability = share * self._item_shares[item] + (1 - share) / known_items
        return SampledCandidates.sampled(item, probability, needed, self._active)

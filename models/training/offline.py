"""Offline training: the network learns a whole log, pass by pass, until the events held out say that it is enough.

Each pass cuts the users' lives into windows anew (lives.py). Where a pass does not improve the loss of the events held
out, the best weights are taken up again with a smaller rate; where that has helped no more, training is done.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig, TrainingConfig
from models.device import device_of
from models.errors import TrainingError
from models.items.vocabulary import ItemVocabulary
from models.network.dropout import Dropout
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from models.training.loss import Gradients, SampledCandidates, gradients, log_loss
from models.training.optimizer import Optimizer
from models.training.sequences import SequenceSlices, UserSequences

Told = Callable[[int, int], None]
"""Hears how many events of how many are done"""

_SMALLER: Final = 0.3
_LEAST_GAIN: Final = 1e-3
_VALIDATION_SEED: Final = 1 << 32
_LEAST_STEPS: Final = 30
"""Steps of a pass, at least: a small log is learnt in smaller ones"""

_VERSION_EVENTS: Final = 128
"""Events by which a version rises by one, as in a worker's steps: so learning online goes on with the small rate"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands."""

    epoch: int = 0
    """Passes made"""
    steps: int = 0
    """Optimisation steps"""
    best_epoch: int = 0
    best_loss: float = float("inf")
    """Of the events held out, after that pass"""
    decays: int = 0
    """How often the rate was made smaller"""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass did."""

    number: int
    loss: float
    """Mean of its steps, each before it was taken"""
    held_out_loss: float
    """Mean negative log-probability of the events held out, by weight of their types; NaN where there are none"""
    rate: float
    events: int
    seconds: float
    refused: int
    """Steps that were not taken because something was not finite"""
    improved: bool


class Trainer:
    """A network on its way through a log. The same seed, log and machine give the same weights."""

    def __init__(
        self, config: ModelConfig, training: TrainingConfig, items: ItemVocabulary, lives: UserSequences
    ) -> None:
        if not len(lives.items):
            raise TrainingError("no event to learn from: each one needs an item, and those held out are not learnt")
        self._config = config
        self._training = training
        self._items = items
        self._lives = lives
        self._device = device_of(config)
        self._network = InterestNetwork(config)
        self._network.grow(len(items) + 1)
        self._network.to(self._device)
        self._optimizer = Optimizer("adam", training.max_grad_norm)
        self._active = items.active()
        self._shares = np.bincount(lives.items, minlength=len(self._active)) / len(lives.items)
        self._held_out = lives.rest(config.history_length)
        self._best = self._network.snapshot(0)
        self.progress = Progress()

    @property
    def done(self) -> bool:
        """Whether another pass would be one too many."""
        return self.progress.epoch >= self._training.epochs or self.progress.decays > self._training.lr_reductions

    def weights(self) -> Weights:
        """The best weights; their version is what a worker would give them that has learnt as many events."""
        return self._best

    def learn(self, told: Told) -> Epoch:
        """One pass over the log, and the loss of the events held out after it."""
        began = time.perf_counter()
        # Drawn from seed and pass alone, so that a training that is taken up again goes on as if never interrupted.
        number = self.progress.epoch + 1
        generator = np.random.default_rng((self._config.seed, number))
        dropout = Dropout(
            self._training.input_dropout, self._training.dropout, int(generator.integers(1 << 62)), self._device
        )
        rate = self._training.lr * _SMALLER**self.progress.decays
        total, done, events, refused, steps = 0.0, 0, int(self._lives.items.size), 0, 0
        for parts in self._steps(generator):
            found = self._gradients(parts, generator, dropout)
            done += sum(int(part.length.sum()) for part in parts)
            told(min(done, events), events)
            if found is None:
                continue
            steps += 1
            if not np.isfinite(found.loss) or not self._optimizer.apply(found.changes, rate):
                refused += 1
                continue
            total += found.loss
        if refused == steps:
            raise TrainingError(f"no step of pass {number} was finite: try a smaller training.lr than {rate:g}")
        held_out = self._held_out_loss()
        improved = self._keep(number, steps - refused, held_out)
        seconds = time.perf_counter() - began
        return Epoch(number, total / (steps - refused), held_out, rate, events, seconds, refused, improved)

    def state(self) -> tuple[dict[str, Tensor], Progress]:
        """All that a later `restore` needs to go on as if nothing had happened."""
        parts = {
            "network": self._network.snapshot(0).tensors,
            "best": self._best.tensors,
            "optimizer": self._optimizer.state(),
        }
        tensors = {f"{part}/{name}": each for part, tensors in parts.items() for name, each in tensors.items()}
        return tensors | {"best_version": torch.tensor(self._best.version)}, self.progress

    def restore(self, tensors: Mapping[str, Tensor], progress: Progress) -> None:
        """Go on from `state`. WeightsError where it is that of another network."""

        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(f"{name}/"): each for key, each in tensors.items() if key.startswith(f"{name}/")}

        self._network.load(Weights(0, part("network")))
        self._optimizer.restore(part("optimizer"), self._device)
        self._best = Weights(int(tensors["best_version"]), part("best"))
        self.progress = progress

    def _keep(self, number: int, steps: int, held_out: float) -> bool:
        """Take note of a pass; whether it was the best one."""
        steps += self.progress.steps
        self.progress = replace(self.progress, epoch=number, steps=steps)
        # Without events held out, the last pass is the best.
        if np.isnan(held_out) or held_out < self.progress.best_loss - _LEAST_GAIN:
            self._best = self._network.snapshot(number * len(self._lives.items) // _VERSION_EVENTS)
            self.progress = replace(self.progress, best_epoch=number, best_loss=held_out)
            return True
        self._network.load(self._best)
        self._network.to(self._device)
        self._optimizer = Optimizer("adam", self._training.max_grad_norm)
        self.progress = replace(self.progress, decays=self.progress.decays + 1)
        return False

    def _steps(self, generator: np.random.Generator) -> Iterator[list[SequenceSlices]]:
        """The pass's stretches in random order, gathered into steps of `accumulate` parts of about equal lengths."""
        stretches = self._lives.cut(generator, self._training.window)
        # Windows of a part are padded to the longest: those of like lengths go together, alike ones at random.
        order = np.argsort(stretches.length + generator.random(len(stretches)) * 10, kind="stable")
        cells = np.cumsum(stretches.length[order])
        step_events = min(self._training.batch_events, len(self._lives.items) // _LEAST_STEPS)
        part = (cells - 1) // max(step_events // self._training.gradient_accumulation_steps, 1)
        bounds = np.flatnonzero(np.diff(part, prepend=-1))
        parts = np.split(order, bounds[1:])
        places = generator.permutation(len(parts)).tolist()
        for low in range(0, len(places), self._training.gradient_accumulation_steps):
            yield [stretches[parts[place]] for place in places[low : low + self._training.gradient_accumulation_steps]]

    def _gradients(
        self, parts: list[SequenceSlices], generator: np.random.Generator, dropout: Dropout
    ) -> Gradients | None:
        windows = [self._lives.windows(part, generator, self._training.event_dropout) for part in parts]
        competitors = self._competitors(np.concatenate([each.item.ravel() for each in windows]), generator)
        found = [
            gradients(self._network, each, competitors, self._items.content, dropout, self._device.type == "cuda")
            for each in windows
        ]
        usable = [each for each in found if each is not None]
        return Gradients.mean(usable) if usable else None

    def _held_out_loss(self) -> float:
        generator = np.random.default_rng(_VALIDATION_SEED)
        total = weight = 0.0
        size = max(1, self._training.batch_events // (2 * self._config.history_length))
        for low in range(0, len(self._held_out), size):
            rows = np.arange(low, min(low + size, len(self._held_out)))
            windows = self._lives.windows(self._held_out[rows])
            loss, each = log_loss(
                self._network, windows, self._competitors(windows.item.ravel(), generator), self._items.content
            )
            total, weight = total + loss * each, weight + each
        return total / weight if weight else float("nan")

    def _competitors(self, needed: NDArray[np.int64], generator: np.random.Generator) -> SampledCandidates:
        """All items, or a sample: half of it by how often the log has them, half even."""
        known, count = len(self._active) - 1, self._training.sampled_items
        if known <= self._training.full_softmax_items:
            return SampledCandidates.all(self._active)
        often = self._lives.items[generator.integers(0, len(self._lives.items), count // 2)]
        item = np.concatenate([often, generator.integers(1, known + 1, count - len(often))])
        share = len(often) / count
        return SampledCandidates.sampled(item, share * self._shares[item] + (1 - share) / known, needed, self._active)

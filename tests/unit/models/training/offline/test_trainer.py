import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.event_log import EventLog
from models.errors import TrainingError
from models.training.loss import Gradients, SampledCandidates, gradients
from models.training.offline.sequences import UserSequences
from models.training.offline.trainer import EpochResult, Trainer
from models.training_config import TrainingConfig
from tests.unit.models.circle_log import circle_log, circle_vocabulary

ITEMS = 30
MODEL = ModelConfig(embedding_dim=16, hidden_size=16, history_length=10, allow_repeats=True, device="cpu")
TRAINING = TrainingConfig(epochs=4, batch_events=200, window=20, lr=0.01)
LOG = circle_log(items=ITEMS)


def trainer_on(log: EventLog = LOG, training: TrainingConfig = TRAINING, model: ModelConfig = MODEL) -> Trainer:
    items, grouped = circle_vocabulary(ITEMS, model), log.grouped()
    sequences = UserSequences(
        grouped.batch, grouped.order < len(log) * (1 - training.held_out_share), model, items.content
    )
    return Trainer(model, training, items, sequences)


def train_to_the_end(trainer: Trainer) -> list[EpochResult]:
    epochs = []
    while not trainer.done:
        epochs.append(trainer.train_epoch(lambda done, total: None))
    return epochs


@pytest.fixture(scope="module")
def usual() -> tuple[Trainer, list[EpochResult]]:
    """A training to the end, that tests compare with."""
    trainer = trainer_on()
    return trainer, train_to_the_end(trainer)


def test_the_held_out_loss_falls(usual: tuple[Trainer, list[EpochResult]]) -> None:
    trainer, epochs = usual
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    # A guess among 30 items loses 3.4; whoever knows the circle, 1.4.
    assert epochs[0].held_out_loss < 3.5
    assert epochs[-1].held_out_loss < 2.2
    assert trainer.weights().version == trainer.weights().lr_step == 4 * 2700 // 128
    assert trainer.progress.steps > 40
    assert not any(epoch.skipped_steps for epoch in epochs)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    first, second, other = (trainer_on(model=replace(MODEL, seed=seed)) for seed in (1, 1, 2))
    for trainer in (first, second, other):
        trainer.train_epoch(lambda done, total: None)
    lineages = [trainer.weights().lineage for trainer in (first, second, other)]
    assert lineages[0] == lineages[1] != lineages[2]
    weights = [trainer.weights().tensors for trainer in (first, second, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_it_stops_after_the_best_epoch() -> None:
    """Few events are soon overfitted: the held-out loss rises."""
    log = circle_log(events=400, users=20, items=ITEMS)
    trainer = trainer_on(
        log, replace(TRAINING, epochs=60, lr_reductions=0, dropout=0.0, input_dropout=0.0, held_out_share=0.3, lr=0.02)
    )
    epochs = train_to_the_end(trainer)
    losses = [epoch.held_out_loss for epoch in epochs]
    assert len(epochs) < 60
    assert trainer.progress.best_epoch == len(epochs) - 1 == int(np.argmin(losses)) + 1
    assert trainer.progress.best_loss == min(losses)
    assert not epochs[-1].improved


@pytest.mark.slow
def test_the_learning_rate_is_reduced_before_it_stops() -> None:
    log = circle_log(events=400, users=20, items=ITEMS)
    epochs = train_to_the_end(
        trainer_on(log, replace(TRAINING, epochs=60, lr_reductions=2, dropout=0.0, held_out_share=0.3, lr=0.02))
    )
    learning_rates = [epoch.lr for epoch in epochs]
    assert sorted(set(learning_rates), reverse=True) == pytest.approx([0.02, 0.006, 0.0018])
    for before, after in itertools.pairwise(epochs):
        assert (after.lr < before.lr) == (not before.improved)


def test_without_held_out_events_every_epoch_is_made() -> None:
    trainer = trainer_on(training=replace(TRAINING, held_out_share=0.0, epochs=2))
    epochs = train_to_the_end(trainer)
    assert len(epochs) == 2
    assert np.isnan(epochs[-1].held_out_loss)
    assert trainer.progress.best_epoch == 2


@pytest.mark.slow
def test_a_restored_training_equals_an_uninterrupted_one(usual: tuple[Trainer, list[EpochResult]]) -> None:
    uninterrupted, first = usual[0], trainer_on()
    for _ in range(2):
        first.train_epoch(lambda done, total: None)
    second = trainer_on()
    second.restore(*first.state())
    train_to_the_end(second)
    assert second.progress == uninterrupted.progress
    for name, tensor in uninterrupted.weights().tensors.items():
        torch.testing.assert_close(second.weights().tensors[name], tensor, rtol=0, atol=0)


def test_accumulated_gradients_are_those_of_the_entire_batch() -> None:
    trainer = trainer_on()
    sequences, network = trainer._sequences, trainer._network
    slices = sequences.training_slices(np.random.default_rng(0), 20)
    candidates = SampledCandidates.all(np.r_[False, np.ones(ITEMS, np.bool_)])
    halves = [slices[np.arange(low, len(slices), 2)] for low in (0, 1)]
    parts = [gradients(network, sequences.windows(half), candidates) for half in halves]
    uninterrupted = gradients(network, sequences.windows(slices), candidates)
    assert uninterrupted is not None
    mean = Gradients.mean([part for part in parts if part is not None])
    assert mean.loss == pytest.approx(uninterrupted.loss, rel=1e-5)
    assert mean.weight == pytest.approx(uninterrupted.weight)
    mean_values = {gradient.name: gradient.values for gradient in mean.row_gradients}
    for gradient in uninterrupted.row_gradients:
        torch.testing.assert_close(mean_values[gradient.name], gradient.values, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_accumulated_steps_train_as_well(usual: tuple[Trainer, list[EpochResult]]) -> None:
    assert TRAINING.gradient_accumulation_steps == 1
    once, parts = usual[0], trainer_on(training=replace(TRAINING, gradient_accumulation_steps=4))
    assert train_to_the_end(parts)[-1].held_out_loss == pytest.approx(usual[1][-1].held_out_loss, abs=0.2)
    assert parts.progress.steps <= once.progress.steps * 1.3


@pytest.mark.slow
def test_a_sampled_softmax_trains_nearly_as_well_as_the_full_one(usual: tuple[Trainer, list[EpochResult]]) -> None:
    sampled = trainer_on(training=replace(TRAINING, full_softmax_items=1, sampled_items=400))
    assert train_to_the_end(sampled)[-1].held_out_loss == pytest.approx(usual[1][-1].held_out_loss, abs=0.2)


def test_a_log_without_items_is_an_error() -> None:
    log = replace(LOG, item=np.zeros(len(LOG), np.int64))
    with pytest.raises(TrainingError, match="no event to learn from"):
        trainer_on(log)


def test_a_learning_rate_that_diverges_is_an_error() -> None:
    trainer = trainer_on(training=replace(TRAINING, lr=1e38, epochs=1))
    with pytest.raises(TrainingError, match=r"smaller training\.lr"):
        train_to_the_end(trainer)


def test_progress_is_reported() -> None:
    progress: list[tuple[int, int]] = []
    trainer = trainer_on()
    epoch = trainer.train_epoch(lambda done, total: progress.append((done, total)))
    assert progress[-1] == (epoch.events, epoch.events)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


@pytest.mark.cuda
def test_mixed_precision_on_cuda_learns_as_well(device: str) -> None:
    cpu, cuda = (train_to_the_end(trainer_on(model=replace(MODEL, device=name)))[-1] for name in ("cpu", device))
    assert cuda.held_out_loss == pytest.approx(cpu.held_out_loss, abs=0.15)

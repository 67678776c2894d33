import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import ModelConfig, TrainingConfig
from models.data.event_log import EventLog
from models.errors import TrainingError
from models.training.loss import Gradients, SampledCandidates, gradients
from models.training.offline import Epoch, Trainer
from models.training.sequences import UserSequences
from tests.unit.models.stories import circle_log, vocabulary

ITEMS = 30
MODEL = ModelConfig(embedding_dim=16, hidden_size=16, history_length=10, allow_repeats=True, device="cpu")
TRAINING = TrainingConfig(epochs=4, batch_events=200, window=20, lr=0.01)
LOG = circle_log(items=ITEMS)


def trainer_on(log: EventLog = LOG, training: TrainingConfig = TRAINING, model: ModelConfig = MODEL) -> Trainer:
    items, grouped = vocabulary(ITEMS, model), log.grouped()
    lives = UserSequences(grouped.batch, grouped.order < len(log) * (1 - training.held_out_share), model, items.content)
    return Trainer(model, training, items, lives)


def passes(trainer: Trainer) -> list[Epoch]:
    found = []
    while not trainer.done:
        found.append(trainer.learn(lambda done, total: None))
    return found


def test_the_events_held_out_become_more_probable() -> None:
    trainer = trainer_on()
    found = passes(trainer)
    assert [epoch.number for epoch in found] == [1, 2, 3, 4]
    # A guess among 30 items loses 3.4; whoever knows the circle, 1.4.
    assert found[0].held_out_loss < 3.5
    assert found[-1].held_out_loss < 2.2
    assert trainer.weights().version == 4 * 2700 // 128
    assert trainer.progress.steps > 40
    assert not any(epoch.refused for epoch in found)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    first, second, other = (trainer_on(model=replace(MODEL, seed=seed)) for seed in (1, 1, 2))
    for each in (first, second, other):
        each.learn(lambda done, total: None)
    weights = [each.weights().tensors for each in (first, second, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_it_stops_at_the_best_pass() -> None:
    """A few events learnt by heart: those held out, of other habits, soon become less probable."""
    log = circle_log(events=400, users=20, items=ITEMS)
    trainer = trainer_on(
        log, replace(TRAINING, epochs=60, lr_reductions=0, dropout=0.0, input_dropout=0.0, held_out_share=0.3, lr=0.02)
    )
    found = passes(trainer)
    losses = [epoch.held_out_loss for epoch in found]
    assert len(found) < 60
    assert trainer.progress.best_epoch == len(found) - 1 == int(np.argmin(losses)) + 1
    assert trainer.progress.best_loss == min(losses)
    assert not found[-1].improved


def test_the_rate_becomes_smaller_before_it_stops() -> None:
    log = circle_log(events=400, users=20, items=ITEMS)
    found = passes(
        trainer_on(log, replace(TRAINING, epochs=60, lr_reductions=2, dropout=0.0, held_out_share=0.3, lr=0.02))
    )
    rates = [epoch.rate for epoch in found]
    assert sorted(set(rates), reverse=True) == pytest.approx([0.02, 0.006, 0.0018])
    for before, after in itertools.pairwise(found):
        assert (after.rate < before.rate) == (not before.improved)


def test_without_events_held_out_every_pass_is_made() -> None:
    trainer = trainer_on(training=replace(TRAINING, held_out_share=0.0, epochs=2))
    found = passes(trainer)
    assert len(found) == 2
    assert np.isnan(found[-1].held_out_loss)
    assert trainer.progress.best_epoch == 2


def test_a_training_taken_up_again_goes_on_as_if_never_interrupted() -> None:
    whole, first = trainer_on(), trainer_on()
    passes(whole)
    for _ in range(2):
        first.learn(lambda done, total: None)
    second = trainer_on()
    second.restore(*first.state())
    passes(second)
    assert second.progress == whole.progress
    for name, tensor in whole.weights().tensors.items():
        torch.testing.assert_close(second.weights().tensors[name], tensor, rtol=0, atol=0)


def test_a_step_in_parts_is_the_step_as_a_whole() -> None:
    trainer = trainer_on()
    lives, network = trainer._lives, trainer._network
    stretches = lives.cut(np.random.default_rng(0), 20)
    competitors = SampledCandidates.all(np.r_[False, np.ones(ITEMS, np.bool_)])
    halves = [stretches[np.arange(low, len(stretches), 2)] for low in (0, 1)]
    parts = [gradients(network, lives.windows(half), competitors) for half in halves]
    whole = gradients(network, lives.windows(stretches), competitors)
    assert whole is not None
    mean = Gradients.mean([part for part in parts if part is not None])
    assert mean.loss == pytest.approx(whole.loss, rel=1e-5)
    assert mean.weight == pytest.approx(whole.weight)
    ours = {change.name: change.gradient for change in mean.changes}
    for change in whole.changes:
        torch.testing.assert_close(ours[change.name], change.gradient, rtol=1e-3, atol=1e-6)


def test_accumulated_steps_learn_as_well() -> None:
    once, parts = (trainer_on(training=replace(TRAINING, gradient_accumulation_steps=each)) for each in (1, 4))
    losses = [passes(each)[-1].held_out_loss for each in (once, parts)]
    assert losses[1] == pytest.approx(losses[0], abs=0.2)
    assert parts.progress.steps <= once.progress.steps * 1.3


def test_a_sample_of_the_items_teaches_nearly_what_all_do() -> None:
    sampled = replace(TRAINING, full_softmax_items=1, sampled_items=400)
    full, part = (passes(trainer_on(training=each))[-1].held_out_loss for each in (TRAINING, sampled))
    assert part == pytest.approx(full, abs=0.2)


def test_a_log_without_items_is_an_error() -> None:
    log = replace(LOG, item=np.zeros(len(LOG), np.int64))
    with pytest.raises(TrainingError, match="no event to learn from"):
        trainer_on(log)


def test_a_rate_that_leads_nowhere_is_an_error() -> None:
    trainer = trainer_on(training=replace(TRAINING, lr=1e38))
    with pytest.raises(TrainingError, match=r"smaller training\.rate"):
        passes(trainer)


def test_progress_is_told() -> None:
    heard: list[tuple[int, int]] = []
    trainer = trainer_on()
    epoch = trainer.learn(lambda done, total: heard.append((done, total)))
    assert heard[-1] == (epoch.events, epoch.events)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_mixed_precision_on_cuda_learns_as_well() -> None:
    cpu, cuda = (passes(trainer_on(model=replace(MODEL, device=device)))[-1] for device in ("cpu", "cuda"))
    assert cuda.held_out_loss == pytest.approx(cpu.held_out_loss, abs=0.15)

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.errors import WeightsError
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.weights import INITIAL_LINEAGE, Weights
from models.training.online import OnlineLearner
from tests.unit.models.circling_users import circling_vocabulary, sequence, train


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig(embedding_dim=16, hidden_size=16, history_length=8, experts=False, seed=3, device="cpu")


@pytest.fixture
def items() -> ItemVocabulary:
    return circling_vocabulary()


def test_published_weights_are_averaged_except_for_the_item_tables(
    config: ModelConfig, items: ItemVocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published() -> list[Weights]:
        learner, weights = OnlineLearner(config, LearnerConfig(), items), []
        for round_ in range(3):
            batch = sequence(10, 6, 20, start=round_ * 6)
            step = Engine(config, items).step(batch, new_user_states(config, 10))
            learner.observe(step.rows, step.new_events)
            learner.train_step()
            weights.append(learner.weights())
        learner.restore(weights[-1])
        for name, tensor in learner.weights().tensors.items():
            assert torch.equal(tensor, weights[-1].tensors[name])
        return weights

    averaged = published()[-1]
    monkeypatch.setattr("models.training.ema._DECAY", 0.0)
    newest = published()
    assert averaged.version == newest[-1].version == 3
    assert not torch.equal(newest[1].tensors["lstm.weight_ih_l0"], newest[2].tensors["lstm.weight_ih_l0"])
    for name, tensor in averaged.tensors.items():
        first, second, last = (weights.tensors[name] for weights in newest)
        mean = first.lerp(second, 1 - 3 / 12).lerp(last, 1 - 4 / 13)
        torch.testing.assert_close(tensor, last if name in ("item", "item_bias") else mean)


@pytest.mark.slow
@pytest.mark.parametrize("full_softmax_items", [20_000, 10])
def test_a_fixed_order_of_items_is_learnt(config: ModelConfig, items: ItemVocabulary, full_softmax_items: int) -> None:
    learning = LearnerConfig(lr=5e-3, full_softmax_items=full_softmax_items, sampled_items=16, dropout=0.1)
    learner, engine = OnlineLearner(config, learning, items), Engine(config, items)
    train(learner, engine, 120)
    batch = sequence(10, 5, 20)
    predictions = engine.step(batch, new_user_states(config, 10)).predictions
    following = batch.item[predictions.event] % 20 + 1
    assert (predictions.item[:, 0] == following).mean() >= 0.9
    assert predictions.model_version == (INITIAL_LINEAGE, learner.weights().version)
    assert learner.weights().version > 100


def test_without_waiting_events_there_is_no_step(config: ModelConfig, items: ItemVocabulary) -> None:
    learner = OnlineLearner(config, LearnerConfig(), items)
    assert learner.pending_events == 0
    assert learner.train_step() is None


def test_one_step_takes_at_most_events_per_step(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(events_per_step=20), items), Engine(config, items)
    batch = sequence(10, 5, 20)
    step = engine.step(batch, new_user_states(config, 10))
    learner.observe(step.rows, step.new_events)
    assert learner.pending_events == 50
    assert learner.ready
    result = learner.train_step()
    assert result is not None
    assert result.events == 20
    assert result.loss == pytest.approx(math.log(20), abs=0.2)
    assert result.seconds > 0
    assert learner.pending_events == 30
    learner.train_step()
    assert learner.pending_events == 10
    assert not learner.ready


def test_the_oldest_events_of_a_full_queue_are_dropped_and_counted(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(queue_events=100), items), Engine(config, items)
    batch = sequence(10, 5, 20)
    rows = engine.step(batch, new_user_states(config, 10)).rows
    for _ in range(4):
        learner.observe(rows, np.bincount(batch.user, minlength=len(rows)))
    assert (learner.pending_events, learner.dropped_events) == (100, 100)


def test_same_events_give_the_same_weights(config: ModelConfig, items: ItemVocabulary) -> None:
    results = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        learner = OnlineLearner(config, LearnerConfig(), items)
        train(learner, Engine(config, items), 5)
        results.append(learner.weights())
    assert all(torch.equal(results[0].tensors[name], results[1].tensors[name]) for name in results[0].tensors)


def test_a_step_that_is_not_finite_is_skipped_and_changes_nothing(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    train(learner, engine, 2)
    good = learner.weights()
    huge = {name: t.clone() for name, t in good.tensors.items()}
    huge["fusion.mix.bias"][:] = 3e38
    huge["item"][:] *= 1e10
    learner.restore(Weights(good.version, huge))
    batch = sequence(10, 5, 20)
    rows = engine.step(batch, new_user_states(config, 10)).rows
    learner.observe(rows, np.bincount(batch.user, minlength=len(rows)))
    result = learner.train_step()
    assert result is not None
    assert result.skipped
    assert result.events == 50
    assert learner.pending_events == 0
    after = learner.weights()
    assert after.version == good.version
    assert all(torch.equal(after.tensors[name], huge[name]) for name in huge)
    learner.restore(good)
    learner.observe(rows, np.bincount(batch.user, minlength=len(rows)))
    result = learner.train_step()
    assert result is not None
    assert not result.skipped
    assert learner.weights().version == good.version + 1


def test_weights_that_are_not_finite_are_not_restored(config: ModelConfig, items: ItemVocabulary) -> None:
    learner = OnlineLearner(config, LearnerConfig(), items)
    bad = learner.weights()
    bad.tensors["attention.lag"][0] = math.nan
    with pytest.raises(WeightsError, match="not finite"):
        learner.restore(bad)
    assert learner.weights().finite()


def test_a_restored_learner_continues_version_and_lr_step(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    train(learner, engine, 3)
    other = OnlineLearner(replace(config, seed=9), LearnerConfig(), items)
    other.restore(learner.weights())
    train(other, engine, 1)
    assert other.weights().version == learner.weights().version + 1
    assert other.weights().lr_step == learner.weights().lr_step + 1


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_a_restored_state_goes_on_as_if_never_interrupted(
    config: ModelConfig, items: ItemVocabulary, optimizer: Literal["adam", "adagrad"]
) -> None:
    """But for random numbers: without dropout and replayed windows there are none."""
    learning = LearnerConfig(dropout=0, input_dropout=0, replay_windows=0, optimizer=optimizer)
    learner, engine = OnlineLearner(config, learning, items), Engine(config, items)
    train(learner, engine, 5)
    resumed, averaged_alone = (OnlineLearner(replace(config, seed=9), learning, items) for _ in range(2))
    resumed.restore(learner.state())
    averaged_alone.restore(learner.weights())
    expected = learner.weights()
    assert all(torch.equal(tensor, expected.tensors[name]) for name, tensor in resumed.weights().tensors.items())
    for continued in (learner, resumed, averaged_alone):
        train(continued, engine, 3)
    expected = learner.weights()
    assert all(torch.equal(tensor, expected.tensors[name]) for name, tensor in resumed.weights().tensors.items())
    assert not torch.equal(expected.tensors["item"], averaged_alone.weights().tensors["item"])


def test_a_state_of_another_optimizer_is_restored_without_its_moments(
    config: ModelConfig, items: ItemVocabulary
) -> None:
    learner = OnlineLearner(config, LearnerConfig(), items)
    train(learner, Engine(config, items), 2)
    other = OnlineLearner(config, LearnerConfig(optimizer="adagrad"), items)
    other.restore(learner.state())
    assert other.state().learner["adagrad/item.sum"].sum() == 0
    assert torch.equal(other.state().learner["raw/gap"], learner.state().learner["raw/gap"])
    train(other, Engine(config, items), 1)
    assert other.weights().version == 3


def test_a_flood_of_one_user_is_not_learnt_and_counted_as_left_out(config: ModelConfig, items: ItemVocabulary) -> None:
    config = replace(config, history_length=50)
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    zeros = np.zeros(60, np.int64)
    flood = EventBatch(zeros, zeros + 7, zeros + 2, np.arange(60) * 100)
    rows = engine.step(flood, new_user_states(config, 1)).rows
    learner.observe(rows, np.array([60]))
    before = learner.weights()
    result = learner.train_step()
    assert result is not None
    assert (result.events, result.skipped) == (50, False)
    assert result.left_out == 50
    assert learner.weights().version == before.version
    unlimited = OnlineLearner(config, LearnerConfig(min_window_s=0, max_repeats=0), items)
    unlimited.observe(rows, np.array([60]))
    result = unlimited.train_step()
    assert result is not None
    assert result.left_out == 0
    assert unlimited.weights().version == 1


def test_later_steps_do_not_change_published_weights(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    snapshot = learner.weights()
    before = {name: t.clone() for name, t in snapshot.tensors.items()}
    train(learner, engine, 2)
    assert all(torch.equal(snapshot.tensors[name], before[name]) for name in before)
    assert not torch.equal(learner.weights().tensors["item"], before["item"])


def test_learning_goes_on_in_the_lineage_that_it_began_from(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    assert learner.weights().lineage == INITIAL_LINEAGE
    learner.restore(replace(learner.weights(), lineage=0xC0FFEE))
    train(learner, engine, 2)
    assert learner.weights().lineage == 0xC0FFEE
    assert learner.weights().version == 2
    assert engine.version == (0xC0FFEE, 2)


def test_events_without_items_and_of_forgotten_ones_are_no_targets(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    items.forget("i0")
    zeros = np.zeros(3, dtype=np.int64)
    batch = EventBatch(zeros, np.array([0, 1, 0]), zeros, zeros)
    step = engine.step(batch, new_user_states(config, 1))
    learner.observe(step.rows, step.new_events)
    before = learner.weights()
    result = learner.train_step()
    assert result is not None
    assert (result.events, result.skipped) == (3, False)
    assert math.isnan(result.loss)
    assert learner.weights().version == before.version


def test_items_may_grow_while_learning(config: ModelConfig, items: ItemVocabulary) -> None:
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    train(learner, engine, 2)
    for number in range(20, 1500):
        items.add(f"i{number}")
    batch = sequence(10, 5, 1500, start=1400)
    step = engine.step(batch, new_user_states(config, 10))
    learner.observe(step.rows, step.new_events)
    learner.train_step()
    engine.update(learner.weights())
    assert len(learner.weights().tensors["item"]) == 2048
    assert len(engine.step(batch, new_user_states(config, 10)).predictions) == 10


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_learns_on_cuda(
    config: ModelConfig, items: ItemVocabulary, device: str, dtype: Literal["float32", "bfloat16"]
) -> None:
    config = replace(config, device=device, dtype=dtype)
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    train(learner, engine, 5)
    assert learner.weights().finite()
    assert learner.weights().version == 5


@pytest.mark.bfloat16
def test_learns_in_bfloat16(config: ModelConfig, items: ItemVocabulary) -> None:
    config = replace(config, dtype="bfloat16")
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    train(learner, engine, 3)
    assert learner.weights().finite()
    assert all(tensor.dtype == torch.float32 for tensor in learner.weights().tensors.values())

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.experts.candidates import CandidateSizes
from models.experts.gate import GATE_BATCH_EVENTS
from models.experts.mixture_state import MixtureState
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from tests.unit.models.committed_steps import committed_step
from tests.unit.models.random_weights import noisy

MakeBatch = Callable[..., EventBatch]


def probabilities(engine: Engine, batch: EventBatch, rows: NDArray[np.void]) -> NDArray[np.float64]:
    """[N + 1] what is predicted after the only user's last event."""
    predictions = committed_step(engine, batch, rows).predictions
    p = np.zeros(31)
    p[predictions.item[0]] = predictions.item_p[0]
    return p


@pytest.mark.parametrize("repeats", ["allow", "filter"])
def test_mixture_follows_its_definition(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch, repeats: Literal["allow", "filter"]
) -> None:
    config = replace(config, allow_repeats=repeats == "allow")
    engine = Engine(config, items, top_items=30)
    engine.update(noisy(config))
    rows = new_user_states(config, 6)
    for seed in range(4):
        rows = committed_step(engine, make_batch(60, 6, seed=seed), rows).rows
    batch = EventBatch(*(np.array([value]) for value in (0, 11, 1, 1_800_000_000_000)))
    row = rows[:1].copy()
    items.forget("i19")
    state, alone = MixtureState(config), Engine(replace(config, experts=False), items, top_items=30)
    state.restore(engine.experts())
    settled = Engine(replace(config, sampled_events=0), items, top_items=30)
    settled.update(noisy(config))
    settled.restore(engine.experts())
    p = probabilities(settled, batch, row)
    alone.update(noisy(config))
    network = probabilities(alone, batch, row)
    after = alone.step(batch, row).rows[0]
    events = int(after["steps"])
    last_items = np.array([[int(after["ring_item"][s % 5]) for s in range(events - 1, events - 6, -1)]])
    masked = [0, 20]
    if repeats == "filter":
        masked += np.flatnonzero(np.unpackbits(after["seen"], bitorder="little")[:31]).tolist()
    popular = state.counts.popularity(31).astype(np.float64)
    history = state.counts.history_scores(last_items, torch.ones(1, 31)).values[:, 0].numpy().astype(np.float64)
    popular[:, masked], history[:, masked] = 0, 0
    popular /= popular.sum(1, keepdims=True)
    history = 0.98 * history / history.sum(1, keepdims=True) + 0.02 * popular[-1]
    expert_p = np.stack([network, *popular, *history])  # [E, N + 1]
    confidence = np.log(np.array([network.max(), history[0].max()]).clip(1e-4)) / 5 + 0.5
    features = np.array([[1, np.log1p(events) / 5, 0, *confidence]])
    weight, share = state.gate.weights(features)
    with np.errstate(divide="ignore"):
        z = np.exp(np.where(expert_p[-1] > 0, weight[0] @ np.log(expert_p.clip(1e-300)), -np.inf))
    expected = share[0] @ np.stack([*expert_p, z / z.sum()])
    np.testing.assert_allclose(p, expected, rtol=1e-3, atol=1e-7)
    assert not p[masked].any()
    assert p.sum() == pytest.approx(1, abs=1e-5)


def test_blocks_do_not_change_the_result(config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch) -> None:
    results = []
    for sizes in (CandidateSizes(), CandidateSizes(block_scores=31 * 3, min_block=1)):
        engine = Engine(config, items, sizes=sizes)
        engine.update(noisy(config))
        rows = committed_step(engine, make_batch(80, 9), new_user_states(config, 9)).rows
        results.append(committed_step(engine, make_batch(80, 9, seed=1), rows, "event").predictions)
    np.testing.assert_allclose(results[0].item_p, results[1].item_p, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(results[0].because_weight, results[1].because_weight, rtol=1e-3, atol=1e-5)


def test_before_anything_is_counted_the_experts_are_uniform(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    weights = InterestNetwork(config).snapshot(1)
    weights.tensors["item"].zero_()
    engine.update(weights)
    batch = EventBatch(*(np.array([value]) for value in (0, 4, 1, 1000)))
    scores = engine.score(batch, new_user_states(config, 1))
    assert scores.rank.tolist() == [15.5]
    assert scores.log_p[0] == pytest.approx(np.log(1 / 30), abs=1e-4)


def test_the_same_events_give_the_same_predictions(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    def run() -> tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]:
        engine, rows = Engine(config, items), new_user_states(config, 9)
        for seed in range(5):
            step = committed_step(engine, make_batch(50, 9, seed=seed), rows)
            rows = step.rows
        return step.predictions.item_p, engine.experts()

    (first, counts), (second, again) = run(), run()
    np.testing.assert_array_equal(first, second)
    for name, array in counts.items():
        np.testing.assert_array_equal(array, again[name])


def test_a_step_is_learnt_when_it_is_observed(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    """A step that failed can be taken again: nothing but `observe` changes counts and gate."""
    engine = Engine(replace(config, sampled_events=2 * GATE_BATCH_EVENTS), items)
    rows = committed_step(engine, make_batch(200, 9), new_user_states(config, 9)).rows
    before, batch = engine.experts(), make_batch(400, 9, seed=1)
    first, second = engine.step(batch, rows), engine.step(batch, rows)
    np.testing.assert_array_equal(first.predictions.item_p, second.predictions.item_p)
    for name, array in engine.experts().items():
        np.testing.assert_array_equal(array, before[name])
    engine.observe(second)
    after = engine.experts()
    assert after["gate.steps"] == before["gate.steps"] + 2
    assert after["popularity.counts"][-1].sum() > before["popularity.counts"][-1].sum()
    assert not np.array_equal(engine.step(batch, rows).predictions.item_p, first.predictions.item_p)


def test_a_prediction_does_not_depend_on_later_events_of_the_batch(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    config = replace(config, sampled_events=0)
    first = Engine(config, items)
    first.update(noisy(config))
    rows = first.step(make_batch(60, 1), new_user_states(config, 1)).rows
    longer = make_batch(20, 1, seed=1)
    shorter = EventBatch(longer.user[:12], longer.item[:12], longer.type[:12], longer.time_ms[:12])
    results = []
    for batch in (longer, shorter):
        engine = Engine(config, items)
        engine.update(noisy(config))
        engine.restore(first.experts())
        results.append(committed_step(engine, batch, rows, per="event").predictions)
    np.testing.assert_array_equal(results[0].item[:12], results[1].item)
    np.testing.assert_allclose(results[0].item_p[:12], results[1].item_p, rtol=1e-5)


def test_scoring_changes_nothing(config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch) -> None:
    engine = Engine(config, items)
    rows = committed_step(engine, make_batch(50, 9), new_user_states(config, 9)).rows
    before, row = engine.experts(), rows.copy()
    scores = engine.score(make_batch(50, 9, seed=1), rows)
    for name, array in engine.experts().items():
        np.testing.assert_array_equal(array, before[name])
    np.testing.assert_array_equal(row, rows)
    again = engine.score(make_batch(50, 9, seed=1), rows)
    np.testing.assert_array_equal(scores.log_p, again.log_p)


def test_a_score_is_that_of_the_prediction_before(config: ModelConfig, items: ItemVocabulary) -> None:
    config = replace(config, sampled_events=0)
    engine = Engine(config, items, top_items=30)
    engine.update(noisy(config))
    first = EventBatch(np.zeros(3, np.int64), np.array([4, 9, 2]), np.ones(3, np.int64), np.arange(3) * 1000)
    step = committed_step(engine, first, new_user_states(config, 1))
    p, top = step.predictions.item_p[0], step.predictions.item[0]
    for index in (0, 4):
        second = EventBatch(*(np.array([value]) for value in (0, top[index], 1, 5000)))
        scores = engine.score(second, step.rows)
        assert scores.rank.tolist() == [index + 1]
        assert scores.log_p[0] == pytest.approx(np.log(p[index]), rel=1e-3)
        assert scores.top1_p[0] == pytest.approx(p[0], rel=1e-3)
        assert scores.top1_hit.tolist() == [index == 0]


def test_item_that_could_not_be_predicted_has_no_probability(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    batch = EventBatch(np.zeros(4, np.int64), np.array([4, 4, 29, 0]), np.ones(4, np.int64), np.arange(4) * 1000)
    scores = engine.score(batch, new_user_states(config, 1), known=12)
    assert np.isfinite(scores.log_p[0])
    assert scores.log_p[1:3].tolist() == [-np.inf, -np.inf]
    assert scores.rank[1:3].tolist() == [np.inf, np.inf]
    assert np.isnan([scores.rank[3], scores.log_p[3], scores.top1_p[3], scores.top1_hit[3]]).all()


def test_restored_experts_predict_as_before(config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch) -> None:
    engine, other = Engine(config, items), Engine(config, items)
    rows = new_user_states(config, 9)
    for seed in range(4):
        rows = committed_step(engine, make_batch(60, 9, seed=seed), rows).rows
    other.restore(engine.experts())
    for seed in range(4, 7):
        first, second = (either.step(make_batch(60, 9, seed=seed), rows) for either in (engine, other))
        np.testing.assert_array_equal(first.predictions.item_p, second.predictions.item_p)
        rows = first.rows

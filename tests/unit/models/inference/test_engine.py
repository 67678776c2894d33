import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.user_state import new_user_states
from models.errors import UnknownItemError, WeightsError
from models.inference.engine import Engine
from models.inference.predictions import ModelVersion
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import INITIAL_LINEAGE, Weights
from tests.unit.models.random_weights import events, noisy
from tests.unit.models.sequences import tensors_of


def test_step_agrees_with_the_network_over_the_whole_sequence(config: ModelConfig, items: ItemVocabulary) -> None:
    """The incremental path (packed LSTM, gathered ring) against the dense one that training runs."""
    config = replace(config, experts=False)
    engine, network = Engine(config, items, top_items=30), InterestNetwork(config)
    weights = noisy(config)
    engine.update(weights)
    network.load(weights)
    batch = events([0, 0, 0, 2, 2], [3, 1, 7, 9, 10], [0, 5, 100, 0, 1])
    predictions = engine.step(batch, new_user_states(config, 3)).predictions
    gap = np.array([[0, 3, 7], [0, 2, 0]])
    item, kind = np.array([[3, 1, 7], [9, 10, 0]]), np.ones((2, 3), np.int64)
    interest = network(network.item, tensors_of(item, kind, gap)).interest
    interest = torch.stack([interest[0, 3], interest[1, 2]])
    scores = (interest @ network.item.T + network.item_bias)[:, :31]
    scores[:, 0] = -torch.inf
    scores[0, [3, 1, 7]] = -torch.inf
    scores[1, [9, 10]] = -torch.inf
    expected = scores.softmax(1).detach().numpy()
    assert predictions.event.tolist() == [2, 4]
    for row in range(2):
        known = predictions.item_p[row] > 0
        assert known.sum() == 30 - [3, 2][row]
        np.testing.assert_allclose(
            predictions.item_p[row][known], expected[row][predictions.item[row][known]], rtol=1e-4
        )


def test_categories_share_the_probability_of_all_items(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items, top_items=30, top_categories=4)
    engine.update(noisy(config))
    predictions = engine.step(events([0], [4]), new_user_states(config, 1)).predictions
    item, category, share = items.category_rows()
    p = np.zeros(31)
    p[predictions.item[0]] = predictions.item_p[0]
    expected = np.zeros(len(items.categories))
    np.add.at(expected, category, p[item] * share)
    np.testing.assert_allclose(predictions.category_p[0], expected[predictions.category[0]], rtol=1e-4)
    assert predictions.category_p.sum() == pytest.approx(1, abs=1e-5)


def test_because_sums_the_attention_of_equal_items(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items, top_because=3)
    engine.update(noisy(config))
    predictions = engine.step(events([0] * 4, [5, 6, 5, 0]), new_user_states(config, 1)).predictions
    assert set(predictions.because[0]) == {5, 6, 0}
    assert predictions.because[0][2] == 0
    weight = predictions.because_weight[0]
    assert weight[0] >= weight[1] > 0
    assert 0 < weight.sum() < 1  # the event without an item has its share, too


def test_rows_are_not_modified_and_foreign_fields_pass(config: ModelConfig, items: ItemVocabulary) -> None:
    dtype = np.dtype([("count", "u8"), *new_user_states(config, 1).dtype.descr, ("chain", "u1", (16,))])
    rows = np.zeros(3, dtype=dtype)
    rows["count"], rows["chain"] = [1, 2, 3], 7
    before = rows.copy()
    after = Engine(config, items).step(events([0, 2], [1, 2]), rows).rows
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(after["count"], [1, 2, 3])
    np.testing.assert_array_equal(after["chain"], before["chain"])
    assert after["steps"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.bfloat16)])
def test_an_empty_batch_gives_empty_results(config: ModelConfig, dtype: Literal["float32", "bfloat16"]) -> None:
    engine = Engine(replace(config, dtype=dtype), ItemVocabulary(10))
    step = engine.step(events([], []), new_user_states(config, 2))
    assert len(engine.score(events([], []), new_user_states(config, 2)).rank) == 0
    assert len(step.predictions) == 0
    assert step.predictions.item.shape == (0, 10)
    assert step.rows["steps"].tolist() == [0, 0]


def test_without_items_all_probability_is_elsewhere(config: ModelConfig) -> None:
    predictions = Engine(config, ItemVocabulary(10)).step(events([0], [0]), new_user_states(config, 1)).predictions
    assert predictions.item.sum() == 0
    assert predictions.other_p.tolist() == [1]
    assert (predictions.category == -1).all()
    assert (predictions.because == 0).all()


def test_user_who_had_everything_is_predicted_nothing(config: ModelConfig) -> None:
    items = ItemVocabulary(10)
    for name in "abc":
        items.add(name)
    predictions = (
        Engine(config, items).step(events([0, 0, 0], [1, 2, 3]), new_user_states(config, 1), "event").predictions
    )
    assert predictions.item[:, 0].tolist()[2] == 0
    np.testing.assert_allclose(predictions.other_p, [0, 0, 1], atol=1e-6)
    assert (predictions.item_p > 0).sum(1).tolist() == [2, 1, 0]


def test_had_items_come_back_where_repeats_are_allowed(items: ItemVocabulary) -> None:
    engine = Engine(ModelConfig(embedding_dim=8, hidden_size=12, history_length=5, device="cpu"), items, top_items=30)
    predictions = engine.step(events([0], [4]), new_user_states(engine.config, 1)).predictions
    assert 4 in predictions.item[0]


def test_forgotten_item_is_not_predicted_until_described_anew(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items, top_items=30)
    rows = new_user_states(config, 1)
    items.forget("i6")
    assert 7 not in engine.step(events([0], [1]), rows).predictions.item
    items.describe("i6", "Back", [])
    assert 7 in engine.step(events([0], [1]), rows).predictions.item


def test_items_may_outgrow_the_table(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    rows = engine.step(events([0], [1]), new_user_states(config, 1)).rows
    for number in range(30, 1000):
        items.add(f"i{number}")
    items.capacity = 5000
    for number in range(1000, 3000):
        items.add(f"i{number}")
    predictions = engine.step(events([0], [3000]), rows).predictions
    assert predictions.because[0][0] in (1, 3000)
    assert predictions.item.max() <= 3000


def test_unknown_item_is_refused_in_event_and_row(config: ModelConfig, items: ItemVocabulary) -> None:
    engine, rows = Engine(config, items), new_user_states(config, 1)
    with pytest.raises(UnknownItemError, match="30 items are known"):
        engine.step(events([0], [31]), rows)
    rows["ring_item"][0, 2] = 77
    with pytest.raises(UnknownItemError, match="77"):
        engine.score(events([0], [1]), rows)


def test_new_weights_are_used_from_the_next_step_on(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    rows = new_user_states(config, 1)
    first = engine.step(events([0], [1]), rows).predictions
    engine.update(noisy(config, version=8))
    assert engine.version == ModelVersion(INITIAL_LINEAGE, 8)
    second = engine.step(events([0], [1]), rows).predictions
    assert (str(first.model_version), str(second.model_version)) == ("00000001.0", "00000001.8")
    assert not np.allclose(first.item_p, second.item_p)


def test_weights_that_are_not_finite_are_refused(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    weights = noisy(config, version=8)
    weights.tensors["fusion.mix.bias"][0] = math.nan
    with pytest.raises(WeightsError, match="not finite"):
        engine.update(weights)
    assert str(engine.version) == "00000001.0"


def test_state_that_turns_bad_is_refused_and_everything_else_advances(
    config: ModelConfig, items: ItemVocabulary
) -> None:
    engine = Engine(config, items)
    weights = noisy(config)
    weights.tensors["item"][5] = 1e38
    weights.tensors["lstm.weight_ih_l0"][:] = 1e38  # inf from the input …
    weights.tensors["lstm.weight_hh_l0"][:] = -3e38  # … less inf from the state
    engine.update(weights)
    rows = new_user_states(config, 3)
    rows["h"], rows["c"] = 0.25, 0.5
    step = engine.step(events([0, 1, 1, 2], [1, 5, 2, 3]), rows, "event")
    assert 1 in step.nonfinite_rows
    np.testing.assert_array_equal(step.rows["h"][1], rows["h"][1])
    np.testing.assert_array_equal(step.rows["c"][1], rows["c"][1])
    assert step.rows["steps"].tolist() == [1, 2, 1]
    assert step.rows["ring_item"][1][:2].tolist() == [5, 2]
    assert np.isfinite(step.predictions.item_p).all()
    assert np.isfinite(step.predictions.category_p).all()
    assert np.isfinite(step.predictions.because_weight).all()
    np.testing.assert_allclose(step.predictions.item_p.sum(1) + step.predictions.other_p, 1, atol=1e-5)


def test_stored_state_that_is_bad_begins_anew(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    engine.update(noisy(config))
    rows = new_user_states(config, 2)
    rows["h"][1], rows["c"][1, 3] = np.nan, np.inf
    step = engine.step(events([0, 1], [4, 4]), rows)
    assert step.nonfinite_rows.tolist() == [1]
    np.testing.assert_array_equal(step.rows["h"][1, :3], step.rows["h"][0, :3])
    assert np.isfinite(step.rows["h"]).all()
    assert np.isfinite(step.rows["c"]).all()
    assert np.isfinite(step.predictions.item_p).all()


@pytest.mark.parametrize("scale", [1e4, 1e20, 1e38])
def test_huge_weights_still_give_distributions(config: ModelConfig, items: ItemVocabulary, scale: float) -> None:
    engine = Engine(config, items)
    weights = noisy(config)
    engine.update(Weights(2, {name: (t * scale).clamp(-3e38, 3e38) for name, t in weights.tensors.items()}))
    rows = new_user_states(config, 2)
    for _ in range(3):
        step = engine.step(events([0, 0, 1], [1, 2, 3]), rows, "event")
        rows = step.rows
        p = step.predictions
        np.testing.assert_allclose(p.item_p.sum(1) + p.other_p, 1, atol=1e-5)
        assert not (p.item_p[p.item == 0] > 0).any()
        assert not np.isin(p.item[1], [1, 2]).any()
        assert all(np.isfinite(part).all() for part in (p.category_p, p.because_weight, rows["h"], rows["c"]))


@pytest.mark.bfloat16
def test_bfloat16_predicts_about_the_same(config: ModelConfig, items: ItemVocabulary) -> None:
    halved = replace(config, dtype="bfloat16")
    batch = events([0, 0, 1], [1, 2, 3])
    results = []
    for variant in (config, halved):
        engine = Engine(variant, items, top_categories=4)
        engine.update(noisy(config))
        predictions = engine.step(batch, new_user_states(variant, 2)).predictions
        results.append(dict(zip(predictions.category[0], predictions.category_p[0], strict=True)))
    assert results[0] == pytest.approx(results[1], abs=0.03)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_cuda_predicts_what_the_cpu_predicts(
    config: ModelConfig, items: ItemVocabulary, device: str, dtype: Literal["float32", "bfloat16"]
) -> None:
    batch = events([0, 0, 1, 1, 1], [1, 2, 3, 4, 0])
    results = []
    for computed in (config, replace(config, device=device, dtype=dtype)):
        engine = Engine(computed, items, top_items=30, top_categories=4)
        engine.update(noisy(config))
        results.append(engine.step(batch, new_user_states(computed, 2), "event"))
        assert engine.device == torch.device(computed.device)
    tolerance = 1e-4 if dtype == "float32" else 0.03
    np.testing.assert_allclose(results[1].rows["h"], results[0].rows["h"], atol=max(tolerance, 2e-3))
    np.testing.assert_allclose(results[1].predictions.item_p, results[0].predictions.item_p, atol=tolerance)

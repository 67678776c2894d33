"""What an engine knows of a slot when another item takes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from tests.unit.models.committed_steps import committed_step
from tests.unit.models.random_weights import events, noisy

ITEMS = 30


def vocabulary(config: ModelConfig) -> ItemVocabulary:
    items = ItemVocabulary(ITEMS, ItemContent(config))
    for number in range(ITEMS):
        items.describe(f"i{number}", f"Title {number}", [f"c{number % 4}"])
        items.add(f"i{number}")
    return items


def test_the_new_holder_has_nothing_of_the_one_before(config: ModelConfig) -> None:
    items = vocabulary(config)
    engine, state = Engine(config, items), new_user_states(config, 2)
    engine.update(noisy(config))
    batch = events([0, 0, 0, 1, 1], [7, 8, 9, 7, 3], [0, 1, 2, 3, 4])
    rows = committed_step(engine, batch, state).rows
    items.apply("new", Registration(ITEMS, [7]))
    rows["ring_item"][rows["ring_item"] == 7] = 0
    engine.step(events([0], [0]), rows)
    assert engine.counts.popularity.counts_of(np.array([7, 8])).tolist() == [0, pytest.approx(1, abs=1e-3)]
    assert engine.counts.experts is not None
    popularity = engine.counts.experts.popularity_of(np.array([7, 8]))
    assert not popularity[:, 0].any()
    assert popularity[:, 1].all()
    counts = engine.counts.experts.pairs(np.arange(ITEMS + 1))
    for table in ("successors", "predecessors"):
        assert not counts[f"{table}.counts"][7].any()
        assert not (counts[f"{table}.items"] == 7).any()
        assert counts[f"{table}.items"].any()
    assert {7, 8, 9} <= set(engine.counts.take_changed().tolist())
    assert {3, 7, 8, 9} <= set(engine.counts.take_changed_pairs().tolist())


@pytest.mark.parametrize("text", ["hashed", "none"])
def test_its_embedding_is_that_of_a_new_item(config: ModelConfig, text: Literal["hashed", "none"]) -> None:
    config = replace(config, text=text)
    items = vocabulary(config)
    engine, rows, batch = Engine(config, items), new_user_states(config, 1), events([0], [3])
    weights = noisy(config)
    engine.update(weights)
    engine.step(batch, rows)
    before = engine._model.item_table.clone()
    items.describe("new", "Another title", [])
    items.apply("new", Registration(ITEMS, [7]))
    engine.step(batch, rows)
    table = engine._model.item_table
    network = engine._model.network
    expected = network.item[7]
    if network.content is not None and items.content is not None:
        expected = expected + network.content(torch.from_numpy(items.content.rows(np.array([7]))))[0]
    torch.testing.assert_close(table[7], expected)
    assert network.item_bias[7] == 0
    assert 0 < network.item[7].norm() < 1  # as initial rows are
    kept = np.delete(np.arange(ITEMS + 1), 7)
    torch.testing.assert_close(table[kept], before[kept])
    # Weights of a learner that has not heard of it yet.
    engine.update(replace(weights, version=2, registered=ITEMS))
    engine.step(batch, rows)
    torch.testing.assert_close(engine._model.item_table[7], table[7])
    engine.update(replace(weights, version=3, registered=items.register.count))
    engine.step(batch, rows)
    assert torch.equal(engine._model.network.item_bias[7], weights.tensors["item_bias"][7])


def test_who_had_the_old_item_did_not_have_the_new_one(config: ModelConfig) -> None:
    items = vocabulary(config)
    engine = Engine(config, items, top_items=ITEMS)
    batch = events([0, 0, 0], [7, 8, 9])
    rows = committed_step(engine, batch, new_user_states(config, 1)).rows
    items.apply("new", Registration(ITEMS, [7]))
    rows["ring_item"][rows["ring_item"] == 7] = 0
    step = engine.step(events([0], [4]), rows, "event")
    assert set(range(1, ITEMS + 1)) - set(step.predictions.item[0].tolist()) == {4, 8, 9}
    rows = engine.step(events([0], [7]), step.rows).rows
    predictions = engine.step(events([0], [0]), rows).predictions
    assert set(range(1, ITEMS + 1)) - set(predictions.item[0].tolist()) == {4, 7, 8, 9}
    scores = engine.score(events([0, 0], [7, 5]), rows)
    assert np.isinf(scores.rank).tolist() == [True, False]


def test_restored_counts_begin_anew_where_the_holder_has_changed_since(config: ModelConfig) -> None:
    items = vocabulary(config)
    engine = Engine(config, items)
    batch = replace(events([0, 0, 0], [7, 8, 9]), text=["good", "bad", "fair"])
    committed_step(engine, batch, new_user_states(config, 1))
    saved, registered = engine.experts(), items.register.count
    items.apply("new", Registration(ITEMS, [7]))
    resumed = Engine(config, items)
    resumed.restore(saved, registered)
    counts = resumed.counts.popularity.counts_of(np.array([7, 8]))
    assert counts.tolist() == [0, pytest.approx(1, abs=1e-3)]
    assert resumed.experts()["reviews.item"].tolist() == [8, 9]


def test_newcomers_begin_differently_and_alike_in_every_process(config: ModelConfig) -> None:
    first, again = InterestNetwork(config), InterestNetwork(config)
    first.reset_items(np.array([3, 4]), np.array([100, 101]))
    again.reset_items(np.array([4]), np.array([101]))
    assert torch.equal(first.item[4], again.item[4])
    assert not torch.equal(first.item[3], first.item[4])

"""The network of every recipe works with the same engine, learner and checkpoint as the default one."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.checkpoint import load, save
from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import new_user_states
from models.errors import CheckpointError
from models.inference.engine import Engine
from models.inference.predictions import Predictions
from models.items.reviews import Reviews
from models.items.vocabulary import ItemVocabulary
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings
from models.training.online import OnlineLearner
from streams.settings.settings import recipe_settings
from tests.unit.models.recipes import (
    ITEMS,
    NETWORKS,
    catalog_items,
    noisy_weights,
    single_event,
    small_config,
    varied_batch,
)

every_recipe = pytest.mark.parametrize("recipe", NETWORKS)


def sequence_form(
    config: ModelConfig, items: ItemVocabulary, batch: EventBatch
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities [n, N + 1] after each event of one user, and interests [n, D], computed at once as in training."""
    network = InterestNetwork(config)
    network.load(noisy_weights(config))
    table = ItemEmbeddings(network, items.content)
    table.refresh()
    features = Timeline(batch, new_user_states(config, 1), Reviews.of(batch, items.content).codes).features
    output = network(table.weight, FeatureTensors.of(features[None], torch.device("cpu")))
    interest = output.interest[0, 1:]
    if network.log_scale is not None:
        interest = interest * network.log_scale.exp()
    known = torch.arange(ITEMS + 1)
    score = interest @ table.weight[: ITEMS + 1].T + network.item_bias[: ITEMS + 1]
    p = torch.zeros_like(score)
    for event in range(len(batch)):
        past_items = torch.from_numpy(batch.item[: event + 1])
        masked = known == 0
        if not config.allow_repeats:
            masked = masked | torch.isin(known, past_items)
        p[event] = score[event].masked_fill(masked, -torch.inf).softmax(0)
        if (
            output.copy_score is not None
            and output.gate is not None
            and bool((past_items[-config.history_length :] > 0).any())
        ):
            gate = output.gate[0, event + 1].sigmoid()
            repeat = output.copy_score[0, event + 1, : event + 1].masked_fill(past_items == 0, -torch.inf).softmax(0)
            p[event] = ((1 - gate) * p[event]).index_add(0, past_items, gate * repeat)
    return p.detach().numpy(), interest.detach().numpy()


@every_recipe
@pytest.mark.parametrize("repeats", ["allow", "filter"])
def test_incremental_form_predicts_as_the_sequence_form(recipe: str, repeats: Literal["allow", "filter"]) -> None:
    """From rows in half precision, against the form that training runs, for more events than the history holds."""
    config = small_config(recipe, repeats)
    items, batch = catalog_items(config), varied_batch([0] * 14)
    assert {bool(text) for text in batch.text or ()} == {False, True}
    expected, interest = sequence_form(config, items, batch)
    engine, rows = Engine(config, items, top_items=ITEMS), new_user_states(config, 1)
    engine.update(noisy_weights(config))
    for event in range(len(batch)):
        step = engine.step(single_event(batch, event), rows)
        rows, predicted = step.rows, step.predictions
        p = np.zeros(ITEMS + 1)
        p[predicted.item[0]] = predicted.item_p[0]
        np.testing.assert_allclose(p, expected[event], atol=2e-3)
        if predicted.parts is not None:
            total = predicted.parts.short_term[0] + predicted.parts.long_term[0]
            np.testing.assert_allclose(total, interest[event], atol=5e-3 * np.abs(interest).max())


@every_recipe
def test_loaded_weights_predict_as_the_saved_ones(recipe: str, tmp_path: Path) -> None:
    config = small_config(recipe)
    items = catalog_items(config)
    save(tmp_path, noisy_weights(config), config, items)
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    results = []
    for weights in (noisy_weights(config), loaded):
        engine = Engine(config, items)
        engine.update(weights)
        results.append(predictions(engine))
    np.testing.assert_array_equal(results[0].item, results[1].item)
    np.testing.assert_array_equal(results[0].item_p, results[1].item_p)
    other = replace(
        ModelConfig(),
        embedding_dim=config.embedding_dim,
        hidden_size=12,
        history_length=5,
        allow_repeats=False,
        seen_bits=64,
    )
    with pytest.raises(CheckpointError, match="another network"):
        load(tmp_path, other, items)


def predictions(engine: Engine) -> Predictions:
    return engine.step(varied_batch([0, 0, 0, 1, 1, 2]), new_user_states(engine.config, 3), "event").predictions


@every_recipe
def test_short_and_long_term_vectors_are_in_the_predictions_of_their_recipe(recipe: str) -> None:
    config = small_config(recipe)
    engine = Engine(config, catalog_items(config))
    engine.update(noisy_weights(config))
    parts = predictions(engine).parts
    assert (parts is not None) == (recipe == "long-short")
    if parts is not None:
        assert parts.short_term.shape == parts.long_term.shape == (6, config.embedding_dim)
        assert np.isfinite(parts.short_term).all()
        # Each event adds one to its user's set.
        assert len(np.unique(parts.long_term.round(6), axis=0)) == 6


@pytest.mark.bfloat16
@every_recipe
def test_bfloat16_trains_and_predicts_about_the_same(recipe: str) -> None:
    results = []
    dtypes: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
    for dtype in dtypes:
        config = replace(small_config(recipe), dtype=dtype)
        items = catalog_items(config)
        engine, learner = Engine(config, items), OnlineLearner(config, LearnerConfig(dropout=0, input_dropout=0), items)
        learner.restore(noisy_weights(config))
        batch = varied_batch([0] * 5 + [1] * 4)
        step = engine.step(batch, new_user_states(config, 2))
        learner.observe(step.rows, step.new_events)
        learnt = learner.train_step()
        assert learnt is not None
        assert not learnt.skipped
        engine.update(learner.weights())
        results.append((learnt.loss, engine.step(batch, new_user_states(config, 2), "event").predictions.category_p))
    assert results[0][0] == pytest.approx(results[1][0], rel=0.05)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=0.05)


@pytest.mark.slow
@every_recipe
def test_training_predicts_the_item_that_always_follows(recipe: str) -> None:
    """With the recipe's objective and settings, over a stream in which all users walk the same circle of items."""
    config, learning = small_config(recipe, "allow"), recipe_settings(recipe).learning
    items = catalog_items(config)
    engine, learner = Engine(config, items), OnlineLearner(config, learning, items)
    losses = []
    for turn in range(150):
        user = np.repeat(np.arange(8), 5)
        item = (np.tile(np.arange(5), 8) + turn * 5 + user * 3) % ITEMS + 1
        batch = EventBatch(user, item, np.full(40, 2), (np.arange(40) + turn * 40) * 1000)
        step = engine.step(batch, new_user_states(config, 8))
        learner.observe(step.rows, step.new_events)
        while learner.pending_events:
            learnt = learner.train_step()
            assert learnt is not None
            assert not learnt.skipped
            losses.append(learnt.loss)
    assert np.mean(losses[-20:]) < 0.85 * np.mean(losses[:5])
    engine.update(learner.weights())
    batch = EventBatch(np.zeros(3, np.int64), np.array([4, 5, 6]), np.full(3, 2), np.arange(3) * 1000)
    assert 7 in engine.step(batch, new_user_states(config, 1)).predictions.item[0, :3]

"""Every recipe's network is one like the default: stepped, saved, loaded and learnt by the same engine and learner."""

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
from tests.unit.models.recipes import ITEMS, NETWORKS, described, noisy, small, varied

every_recipe = pytest.mark.parametrize("recipe", NETWORKS)


def whole(
    config: ModelConfig, items: ItemVocabulary, batch: EventBatch
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities [n, N + 1] after each event of one user, and interests [n, D], computed at once as in training."""
    network = InterestNetwork(config)
    network.load(noisy(config))
    table = ItemEmbeddings(network, items.content)
    table.refresh()
    said = Timeline(batch, new_user_states(config, 1), Reviews.of(batch, items.content).codes).features
    run = network(table.weight, FeatureTensors.of(said[None], torch.device("cpu")))
    interest = run.interest[0, 1:]
    if network.log_scale is not None:
        interest = interest * network.log_scale.exp()
    known = torch.arange(ITEMS + 1)
    score = interest @ table.weight[: ITEMS + 1].T + network.item_bias[: ITEMS + 1]
    p = torch.zeros_like(score)
    for at in range(len(batch)):
        had = torch.from_numpy(batch.item[: at + 1])
        closed = known == 0
        if not config.allow_repeats:
            closed = closed | torch.isin(known, had)
        p[at] = score[at].masked_fill(closed, -torch.inf).softmax(0)
        if run.copy_score is not None and run.gate is not None and bool((had[-config.history_length :] > 0).any()):
            gate = run.gate[0, at + 1].sigmoid()
            again = run.copy_score[0, at + 1, : at + 1].masked_fill(had == 0, -torch.inf).softmax(0)
            p[at] = ((1 - gate) * p[at]).index_add(0, had, gate * again)
    return p.detach().numpy(), interest.detach().numpy()


@every_recipe
@pytest.mark.parametrize("repeats", ["allow", "filter"])
def test_one_step_at_a_time_says_what_the_whole_window_does(recipe: str, repeats: Literal["allow", "filter"]) -> None:
    """The incremental path, from rows in half precision, against the one that training runs; longer than the ring."""
    config = small(recipe, repeats)
    items, batch = described(config), varied([0] * 14)
    assert {bool(text) for text in batch.text or ()} == {False, True}
    expected, interest = whole(config, items, batch)
    engine, memory = Engine(config, items, top_items=ITEMS), new_user_states(config, 1)
    engine.update(noisy(config))
    for at in range(len(batch)):
        step = engine.step(part(batch, at), memory)
        memory, said = step.rows, step.predictions
        found = np.zeros(ITEMS + 1)
        found[said.item[0]] = said.item_p[0]
        np.testing.assert_allclose(found, expected[at], atol=2e-3)
        if said.parts is not None:
            np.testing.assert_allclose(
                said.parts.short_term[0] + said.parts.long_term[0], interest[at], atol=5e-3 * np.abs(interest).max()
            )


def part(batch: EventBatch, at: int) -> EventBatch:
    rows = slice(at, at + 1)
    assert batch.value is not None
    assert batch.text is not None
    columns = (batch.user[rows], batch.item[rows], batch.type[rows], batch.time_ms[rows])
    return EventBatch(*columns, value=batch.value[rows], text=batch.text[rows])


@every_recipe
def test_saved_weights_say_the_same_once_loaded(recipe: str, tmp_path: Path) -> None:
    config = small(recipe)
    items = described(config)
    save(tmp_path, noisy(config), config, items)
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    said = []
    for weights in (noisy(config), loaded):
        engine = Engine(config, items)
        engine.update(weights)
        said.append(predictions(engine))
    np.testing.assert_array_equal(said[0].item, said[1].item)
    np.testing.assert_array_equal(said[0].item_p, said[1].item_p)
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
    return engine.step(varied([0, 0, 0, 1, 1, 2]), new_user_states(engine.config, 3), "event").predictions


@every_recipe
def test_vectors_are_told_where_short_and_long_term_are_kept_apart(recipe: str) -> None:
    config = small(recipe)
    engine = Engine(config, described(config))
    engine.update(noisy(config))
    parts = predictions(engine).parts
    assert (parts is not None) == (recipe == "long-short")
    if parts is not None:
        assert parts.short_term.shape == parts.long_term.shape == (6, config.embedding_dim)
        assert np.isfinite(parts.short_term).all()
        # The last event of the first user's three is about no other set of events than itself and those before.
        assert len(np.unique(parts.long_term.round(6), axis=0)) == 6


@pytest.mark.bfloat16
@every_recipe
def test_bfloat16_learns_and_says_about_the_same(recipe: str) -> None:
    said = []
    dtypes: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
    for dtype in dtypes:
        config = replace(small(recipe), dtype=dtype)
        items = described(config)
        engine, learner = Engine(config, items), OnlineLearner(config, LearnerConfig(dropout=0, input_dropout=0), items)
        learner.restore(noisy(config))
        batch = varied([0] * 5 + [1] * 4)
        learner.observe(batch, engine.step(batch, new_user_states(config, 2)).rows)
        learnt = learner.train_step()
        assert learnt is not None
        assert not learnt.skipped
        engine.update(learner.weights())
        said.append((learnt.loss, engine.step(batch, new_user_states(config, 2), "event").predictions.category_p))
    assert said[0][0] == pytest.approx(said[1][0], rel=0.05)
    np.testing.assert_allclose(said[0][1], said[1][1], atol=0.05)


@every_recipe
def test_what_always_follows_is_learnt(recipe: str) -> None:
    """By the loss of the recipe's own objective and settings, over a stream in which everyone walks the same circle."""
    config, learning = small(recipe, "allow"), recipe_settings(recipe).learning
    items = described(config)
    engine, learner = Engine(config, items), OnlineLearner(config, learning, items)
    losses = []
    for turn in range(150):
        user = np.repeat(np.arange(8), 5)
        item = (np.tile(np.arange(5), 8) + turn * 5 + user * 3) % ITEMS + 1
        batch = EventBatch(user, item, np.full(40, 2), (np.arange(40) + turn * 40) * 1000)
        learner.observe(batch, engine.step(batch, new_user_states(config, 8)).rows)
        while learner.pending_events:
            learnt = learner.train_step()
            assert learnt is not None
            assert not learnt.skipped
            losses.append(learnt.loss)
    assert np.mean(losses[-20:]) < 0.85 * np.mean(losses[:5])
    engine.update(learner.weights())
    batch = EventBatch(np.zeros(3, np.int64), np.array([4, 5, 6]), np.full(3, 2), np.arange(3) * 1000)
    assert 7 in engine.step(batch, new_user_states(config, 1)).predictions.item[0, :3]

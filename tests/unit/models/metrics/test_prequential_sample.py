from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.new_events import NewEvents
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.metrics.popularity_baseline import DecayedPopularity
from models.metrics.prequential_sample import PrequentialSample, draw_events
from tests.unit.models.committed_steps import committed_step
from tests.unit.models.random_weights import noisy

MakeBatch = Callable[..., EventBatch]


def warmed_up(config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch) -> tuple[Engine, NDArray[np.void]]:
    """An engine after three batches, in which no item beyond 24 came."""
    engine, rows = Engine(config, items), new_user_states(config, 9)
    engine.update(noisy(config))
    for seed in range(3):
        rows = committed_step(engine, make_batch(60, 9, items=24, seed=seed), rows).rows
    return engine, rows


def sampled(engine: Engine, batch: EventBatch, rows: NDArray[np.void]) -> PrequentialSample:
    sample = committed_step(engine, batch, rows).sample
    assert sample is not None
    return sample


def columns(sample: PrequentialSample) -> NDArray[np.float64]:
    return np.stack([sample.rank, sample.log_p, sample.popular_rank, sample.popular_log_p])


def test_every_event_with_an_item_is_drawn_as_often_as_any_other() -> None:
    random, times = np.random.default_rng(0), 4000
    item = np.array([3, 0, 9, 9, 1, 0, 2, 7, 7, 30, 4])
    drawn = np.zeros(len(item))
    for _ in range(times):
        batch = EventBatch(np.zeros(11, np.int64), item, np.ones(11, np.int64), random.integers(0, 2**45, 11))
        event = draw_events(batch, 32)
        assert len(np.unique(event)) == 3  # a quarter of eleven
        drawn[event] += 1
    assert not drawn[item == 0].any()
    np.testing.assert_allclose(drawn[item > 0] / times, 3 / 9, atol=0.03)


@pytest.mark.parametrize(
    ("events", "most", "count"), [(1, 32, 1), (40, 32, 10), (1000, 32, 32), (1000, 0, 0), (0, 9, 0)]
)
def test_number_of_drawn_events(make_batch: MakeBatch, events: int, most: int, count: int) -> None:
    batch = make_batch(events, 5, seed=3)
    event = draw_events(batch, most)
    assert len(event) == count
    assert (np.diff(event) > 0).all()
    assert (batch.item[event] > 0).all()
    np.testing.assert_array_equal(event, draw_events(batch, most))


@pytest.mark.parametrize("repeats", ["allow", "filter"])
@pytest.mark.parametrize("experts", [True, False])
def test_a_sample_agrees_with_score_before_the_batch(
    config: ModelConfig,
    items: ItemVocabulary,
    make_batch: MakeBatch,
    repeats: Literal["allow", "filter"],
    experts: bool,
) -> None:
    config = replace(config, allow_repeats=repeats == "allow", experts=experts, seen_bits=64)
    engine, rows = warmed_up(config, items, make_batch)
    batch = make_batch(80, 9, seed=5)
    before = engine.score(batch, rows, known=24)
    sample = sampled(engine, batch, rows)
    np.testing.assert_array_equal(sample.rank, before.rank[sample.event])
    np.testing.assert_allclose(sample.log_p, before.log_p[sample.event], rtol=1e-5)
    new = batch.item[sample.event] > 24
    assert new.any()
    assert np.isinf(columns(sample)[:, new]).all()
    assert np.isfinite(columns(sample)[:, ~new]).any(1).all()


@pytest.mark.parametrize("repeats", ["allow", "filter"])
def test_popularity_is_that_of_the_definition_on_the_same_events(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch, repeats: Literal["allow", "filter"]
) -> None:
    config = replace(config, allow_repeats=repeats == "allow", history_length=40)
    engine, rows = warmed_up(config, items, make_batch)
    popularity, stepped = DecayedPopularity(), new_user_states(config, 9)
    had: dict[int, set[int]] = {user: set() for user in range(9)}
    for seed in range(3):
        batch = make_batch(60, 9, items=24, seed=seed)
        for user, item in zip(batch.user.tolist(), batch.item.tolist(), strict=True):
            had[user].add(item)
        step = engine.step(batch, stepped)
        stepped, events = step.rows, NewEvents.of(step.rows, step.new_events)
        assert sorted(events.item.tolist()) == sorted(batch.item.tolist())
        for item in events.item:
            popularity.observe(np.array([item]))
    batch = make_batch(80, 9, items=24, seed=5)
    sample = sampled(engine, batch, rows)
    for index, event in enumerate(sample.event.tolist()):
        user, item = int(batch.user[event]), int(batch.item[event])
        earlier = batch.item[:event][batch.user[:event] == user].tolist()
        seen = sorted({*had[user], *earlier} - {0}) if repeats == "filter" else []
        assert sample.popular_rank[index] == popularity.rank(item, np.array(seen, np.int64))
        if item in seen:
            assert sample.popular_log_p[index] == sample.log_p[index] == -np.inf
            continue
        weights = popularity.weights(25)
        weights[[0, *seen]] = 0
        assert sample.popular_log_p[index] == pytest.approx(np.log(weights[item] / weights.sum()))


def test_items_that_are_never_predicted_are_misses_for_both(config: ModelConfig, items: ItemVocabulary) -> None:
    engine, rows = Engine(config, items), new_user_states(config, 2)
    rows = committed_step(engine, EventBatch(*(np.array(variant) for variant in ([0], [7], [1], [0]))), rows).rows
    items.forget("i6")
    sample = sampled(engine, EventBatch(*(np.array(variant) for variant in ([1], [7], [1], [1000]))), rows)
    assert columns(sample).ravel().tolist() == [np.inf, -np.inf, np.inf, -np.inf]


def test_nothing_that_comes_later_in_the_batch_changes_the_sample(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    """The scores of a sampled event do not depend on the items of later events, of any user."""
    results = []
    for shift in (0, 7):
        engine, rows = warmed_up(config, items, make_batch)
        batch = make_batch(40, 40, seed=5)  # one event per user, mostly
        alone = np.bincount(batch.user, minlength=40)[batch.user] == 1
        event = draw_events(batch, 32)
        item = batch.item.copy()
        others = np.setdiff1d(np.flatnonzero(item), event)
        item[others] = (item[others] + shift) % 24 + 1
        rows = np.concatenate([rows, new_user_states(config, 31)])
        sample = sampled(engine, EventBatch(batch.user, item, batch.type, batch.time_ms), rows)
        np.testing.assert_array_equal(sample.event, event)
        results.append(columns(sample)[:, alone[event]])
    assert results[0].shape[1] > 2
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("experts", [True, False])
def test_predictions_are_those_of_an_engine_that_scores_nothing(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch, experts: bool
) -> None:
    """With experts the gate learns from the sample; at its first step it has not learnt yet."""
    results = []
    for events in (32, 0):
        variant = replace(config, experts=experts, sampled_events=events)
        engine, rows = Engine(variant, items), new_user_states(variant, 9)
        engine.update(noisy(variant))
        for seed in range(1 if experts else 4):
            step = committed_step(engine, make_batch(60, 9, seed=seed), rows)
            rows = step.rows
        assert (step.sample is None) == (events == 0)
        results.append(step.predictions)
    np.testing.assert_array_equal(results[0].item, results[1].item)
    np.testing.assert_array_equal(results[0].item_p, results[1].item_p)


def test_a_batch_without_items_has_no_sample(config: ModelConfig, items: ItemVocabulary) -> None:
    batch = EventBatch(np.zeros(9, np.int64), np.zeros(9, np.int64), np.ones(9, np.int64), np.arange(9))
    assert Engine(config, items).step(batch, new_user_states(config, 1)).sample is None


@pytest.mark.parametrize("experts", [True, False])
def test_a_restored_engine_scores_as_before(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch, experts: bool
) -> None:
    config = replace(config, experts=experts)
    engine, rows = warmed_up(config, items, make_batch)
    other = Engine(config, items)
    other.update(noisy(config))
    other.restore(engine.experts())
    batch = make_batch(60, 9, seed=4)
    np.testing.assert_array_equal(columns(sampled(engine, batch, rows)), columns(sampled(other, batch, rows)))


def test_counts_of_a_model_without_experts_are_a_start_for_one_with(
    config: ModelConfig, items: ItemVocabulary, make_batch: MakeBatch
) -> None:
    engine, rows = warmed_up(replace(config, experts=False), items, make_batch)
    other = Engine(config, items)
    other.restore(engine.experts())
    sample, expected = (sampled(variant, make_batch(60, 9, seed=4), rows) for variant in (other, engine))
    np.testing.assert_array_equal(sample.popular_rank, expected.popular_rank)

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.errors import UnknownItemError
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from tests.unit.models.random_weights import noisy

_USERS = 4
_FP16 = 2e-3
"""Rounding of h, c to fp16 and of sums to fp32; states here are below 1"""


def engine_of(config: ModelConfig, scale: float = 0.3) -> Engine:
    """Weights in which nothing is zero, 20 items, texts read."""
    items = ItemVocabulary(100, ItemContent(config))
    for number in range(20):
        items.describe(f"i{number}", f"Title {number}", [])
        items.add(f"i{number}")
    weights = InterestNetwork(config).snapshot(1)
    generator = torch.Generator().manual_seed(1)
    noise = {name: scale * torch.randn(t.shape, generator=generator) for name, t in weights.tensors.items()}
    engine = Engine(config, items)
    engine.update(Weights(1, {name: t + noise[name] for name, t in weights.tensors.items()}))
    return engine


def random_events(counts: list[int], seed: int, after_ms: int = 0) -> EventBatch:
    """So many events of each user, of all kinds, some with a value, those without an item with a text.

    A text about an item would change that item's vector, and with it what its earlier events are.
    """
    random, total = np.random.default_rng(seed), sum(counts)
    value = random.uniform(-5, 5, total).astype(np.float32)
    value[random.random(total) < 0.5] = np.nan
    item = random.integers(0, 21, total) * (random.random(total) < 0.7)
    return EventBatch(
        np.repeat(np.arange(len(counts)), counts),
        item,
        random.integers(0, len(EVENT_TYPES), total),
        after_ms + random.integers(0, 10**9, total),
        value=value,
        text=[f"word{index % 7}" if item_index == 0 else "" for index, item_index in enumerate(item.tolist())],
    )


def states(rows: NDArray[np.void]) -> NDArray[np.float32]:
    return np.concatenate([rows["h"], rows["c"]], 1).astype(np.float32)


@given(st.lists(st.integers(0, 5), min_size=_USERS, max_size=_USERS), st.integers(0, 1000), st.integers(1, 2))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_users_whose_history_holds_all_events_are_recomputed_to_the_same_state(
    config: ModelConfig, counts: list[int], seed: int, layers: int
) -> None:
    engine = engine_of(replace(config, num_layers=layers))
    batch = random_events(counts, seed)
    rows = engine.step(batch, new_user_states(engine.config, _USERS)).rows
    recomputed = engine.recompute_states(rows)
    np.testing.assert_allclose(states(recomputed), states(rows), atol=_FP16)
    for name in set(rows.dtype.names or ()) - {"h", "c"}:
        np.testing.assert_array_equal(recomputed[name], rows[name])
    assert not states(recomputed)[np.array(counts) == 0].any()


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_longer_histories_are_recomputed_from_their_last_events(config: ModelConfig, seed: int) -> None:
    engine = engine_of(config)
    before = engine.step(random_events([3, 7, 12, 1], seed), new_user_states(config, _USERS)).rows
    last = random_events([config.history_length] * _USERS, seed + 1, after_ms=10**9)
    stepped = engine.step(last, before).rows
    before["h"], before["c"] = 0, 0
    expected = engine.step(last, before).rows
    np.testing.assert_allclose(states(engine.recompute_states(stepped)), states(expected), atol=_FP16)
    assert np.abs(states(stepped) - states(expected)).max() > _FP16


def test_many_rows_are_recomputed_as_each_alone(config: ModelConfig) -> None:
    engine = engine_of(config)
    random = np.random.default_rng(0)
    rows = engine.step(random_events(random.integers(0, 9, 1200).tolist(), 0), new_user_states(config, 1200)).rows
    recomputed = engine.recompute_states(rows)
    for row in (0, 511, 512, 1199):
        np.testing.assert_allclose(states(recomputed[[row]]), states(engine.recompute_states(rows[[row]])), atol=_FP16)


def test_a_stored_state_that_is_not_finite_is_recomputed_from_the_history(config: ModelConfig) -> None:
    engine = engine_of(config)
    rows = engine.step(random_events([4, 5, 3, 0], 1), new_user_states(config, _USERS)).rows
    broken = rows.copy()
    broken["h"][1, 2], broken["c"][2, 0], broken["h"][3] = np.nan, np.inf, -np.inf
    then = random_events([1, 1, 1, 1], 2, after_ms=10**9)
    expected, step = engine.step(then, rows), engine.step(then, broken)
    np.testing.assert_allclose(states(step.rows), states(expected.rows), atol=2 * _FP16)
    np.testing.assert_allclose(engine.score(then, broken).log_p, engine.score(then, rows).log_p, atol=0.01)
    assert step.nonfinite_rows.tolist() == [1, 2, 3]
    assert np.isnan(broken["h"][1, 2])
    np.testing.assert_allclose(states(engine.recompute_states(broken)), states(rows), atol=_FP16)


@pytest.mark.parametrize("per", ["user", "event"])
def test_rows_of_another_lineage_are_recomputed_before_they_advance(
    config: ModelConfig, per: Literal["user", "event"]
) -> None:
    engine = engine_of(config)
    rows = engine.step(random_events([12, 5, 7, 3, 0], 1), new_user_states(config, 5)).rows
    rows["c"][2, 0] = np.nan
    engine.update(replace(noisy(config, version=2), lineage=0xC0FFEE))
    lineage = np.array([1, 0xC0FFEE, 7, 0, 1], np.uint32)  # 0: not known, as in rows of format 1
    then = random_events([1, 2, 1, 3, 1], 2, after_ms=10**9)
    expected = rows.copy()
    expected[[0, 2]] = engine.recompute_states(rows)[[0, 2]]
    assert np.abs(states(expected)[0] - states(rows)[0]).max() > 10 * _FP16
    step, reference = engine.step(then, rows, per, lineage), engine.step(then, expected, per)
    assert step.rows.tobytes() == reference.rows.tobytes()
    np.testing.assert_array_equal(step.predictions.item, reference.predictions.item)
    assert step.predictions.model_version == (0xC0FFEE, 2)
    assert (step.rebuilt_rows, reference.rebuilt_rows) == (3, 0)
    assert not len(step.nonfinite_rows)
    assert np.isnan(rows["c"][2, 0])


def test_a_state_that_cannot_be_recomputed_is_zero(config: ModelConfig) -> None:
    engine = engine_of(config)
    rows = engine.step(random_events([3, 3, 3, 3], 1), new_user_states(config, _USERS)).rows
    weights = InterestNetwork(config).snapshot(2)
    weights.tensors["lstm.weight_ih_l0"][:] = 1e38  # inf from the input …
    weights.tensors["lstm.weight_hh_l0"][:] = -3e38  # … less inf from the state
    weights.tensors["item"][:] = 1e38
    engine.update(weights)
    assert not states(engine.recompute_states(rows)).any()


def test_a_row_of_an_unknown_item_is_refused(config: ModelConfig) -> None:
    rows = new_user_states(config, 1)
    rows["ring_item"][0, 0], rows["steps"] = 77, 1
    with pytest.raises(UnknownItemError, match="77"):
        engine_of(config).recompute_states(rows)


def test_rows_may_be_stored_in_float32(config: ModelConfig) -> None:
    engine, narrow = engine_of(config), new_user_states(config, _USERS)
    fields = [(name, "<f4" if name in ("h", "c") else kind, *shape) for name, kind, *shape in narrow.dtype.descr]
    batch = random_events([3, 3, 3, 3], 1)
    wide, rounded = engine.step(batch, np.zeros(_USERS, fields)).rows, engine.step(batch, narrow).rows
    np.testing.assert_array_equal(wide["h"].astype(np.float16), rounded["h"])
    assert (wide["h"] != rounded["h"]).any()

"""A batch of n events is n batches of one, for the network of every recipe."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.user_state import new_user_states
from models.inference.engine import Engine
from tests.unit.models.recipes import NETWORKS, catalog_items, noisy_weights, single_event, small_config, varied_batch

torch.set_num_threads(1)

_USERS = 3


def _engine(recipe: str) -> Engine:
    config = small_config(recipe)
    engine = Engine(config, catalog_items(config))
    engine.update(noisy_weights(config))
    return engine


_ENGINES = {recipe: _engine(recipe) for recipe in NETWORKS}


@pytest.mark.parametrize("recipe", NETWORKS)
@given(st.lists(st.integers(0, _USERS - 1), min_size=1, max_size=12), st.integers(0, 1000))
@settings(max_examples=12, deadline=None)
def test_a_batch_is_its_events_one_by_one(recipe: str, users: list[int], seed: int) -> None:
    engine, batch = _ENGINES[recipe], varied_batch(sorted(users), seed)
    together = engine.step(batch, new_user_states(engine.config, _USERS), "event")
    rows, of_batch = new_user_states(engine.config, _USERS), together.predictions
    for event in range(len(batch)):
        step = engine.step(single_event(batch, event), rows)
        rows, alone = step.rows, step.predictions
        np.testing.assert_allclose(alone.category_p[0], of_batch.category_p[event], atol=0.02)
        np.testing.assert_allclose(alone.item_p[0], of_batch.item_p[event], atol=0.02)
        assert (alone.parts is None) == (of_batch.parts is None)
        if alone.parts is not None and of_batch.parts is not None:
            np.testing.assert_allclose(alone.parts.long_term[0], of_batch.parts.long_term[event], atol=1e-5)
            np.testing.assert_allclose(alone.parts.short_term[0], of_batch.parts.short_term[event], atol=0.02)
    for name in together.rows.dtype.names or ():
        if name in ("h", "c"):
            np.testing.assert_allclose(rows[name], together.rows[name], atol=0.01)
        else:
            np.testing.assert_array_equal(rows[name], together.rows[name])

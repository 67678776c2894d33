"""A batch of n events is n batches of one, for the network of every recipe."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from tests.unit.models.recipes import NETWORKS, described, noisy, small, varied

torch.set_num_threads(1)

_USERS = 3


def _engine(recipe: str) -> Engine:
    config = small(recipe)
    engine = Engine(config, described(config))
    engine.update(noisy(config))
    return engine


_ENGINES = {recipe: _engine(recipe) for recipe in NETWORKS}


@pytest.mark.parametrize("recipe", NETWORKS)
@given(st.lists(st.integers(0, _USERS - 1), min_size=1, max_size=12), st.integers(0, 1000))
@settings(max_examples=12, deadline=None)
def test_a_batch_is_its_events_one_by_one(recipe: str, users: list[int], seed: int) -> None:
    engine, batch = _ENGINES[recipe], varied(sorted(users), seed)
    whole = engine.step(batch, new_user_states(engine.config, _USERS), "event")
    memory = new_user_states(engine.config, _USERS)
    assert batch.value is not None
    assert batch.text is not None
    for at in range(len(batch)):
        rows = slice(at, at + 1)
        columns = (batch.user[rows], batch.item[rows], batch.type[rows], batch.time_ms[rows])
        single = EventBatch(*columns, value=batch.value[rows], text=batch.text[rows])
        step = engine.step(single, memory)
        memory, one, all_ = step.rows, step.predictions, whole.predictions
        np.testing.assert_allclose(one.category_p[0], all_.category_p[at], atol=0.02)
        np.testing.assert_allclose(one.item_p[0], all_.item_p[at], atol=0.02)
        assert (one.parts is None) == (all_.parts is None)
        if one.parts is not None and all_.parts is not None:
            np.testing.assert_allclose(one.parts.long_term[0], all_.parts.long_term[at], atol=1e-5)
            np.testing.assert_allclose(one.parts.short_term[0], all_.parts.short_term[at], atol=0.02)
    for name in whole.rows.dtype.names or ():
        if name in ("h", "c"):
            np.testing.assert_allclose(memory[name], whole.rows[name], atol=0.01)
        else:
            np.testing.assert_array_equal(memory[name], whole.rows[name])

"""The attribution of a prediction is complete: its shares sum to one, before and after JSON."""

import json
from decimal import Decimal
from itertools import product
from typing import Any, Final, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.inference.predictions import CARRIERS, Predictions
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from streams.schema.events import UserEvent
from streams.schema.prediction_encoder import EventOrigins, encode

torch.set_num_threads(1)

_USERS, _KNOWN, _RING = 3, 12, 4
_ITEMS: Final = ItemVocabulary(100)
for _number in range(_KNOWN):
    _ITEMS.add(str(_number))

Event = tuple[int, int, int]

_batches = st.lists(
    st.lists(
        st.tuples(st.integers(0, _USERS - 1), st.integers(0, _KNOWN), st.integers(0, len(EVENT_TYPES) - 1)), max_size=20
    ),
    min_size=1,
    max_size=4,
)
_seeds = st.integers(0, 2**31 - 1)
_REPEATS: Final[tuple[Literal["allow", "filter"], ...]] = ("allow", "filter")
_CONFIGS: Final = [
    ModelConfig(
        embedding_dim=8, hidden_size=12, history_length=_RING, allow_repeats=repeats == "allow",
        seen_bits=64, experts=experts, attention=attention, max_successors=16, device="cpu",
    )
    for repeats, experts, attention in product(_REPEATS, (True, False), (True, False))
]  # fmt: skip


def engine_of(config: ModelConfig, seed: int, top_because: int) -> Engine:
    weights = InterestNetwork(config).snapshot(0)
    generator = torch.Generator().manual_seed(seed)
    noisy = {name: t + 0.5 * torch.randn(t.shape, generator=generator) for name, t in weights.tensors.items()}
    engine = Engine(config, _ITEMS, top_because=top_because)
    engine.update(Weights(1, noisy))
    return engine


def predicted(engine: Engine, batches: list[list[Event]], seed: int) -> list[tuple[EventBatch, Predictions]]:
    """From random states, as after a long history."""
    rows, random = new_user_states(engine.config, _USERS), np.random.default_rng(seed)
    for name in ("h", "c"):
        rows[name] = random.normal(0, 0.7, rows[name].shape)
    steps = []
    for number, events in enumerate(batches):
        user, item, kind = np.array(sorted(events, key=lambda event: event[0]), dtype=np.int64).reshape(-1, 3).T
        batch = EventBatch(user, item, kind, np.arange(len(events)) + 1000 * number)
        step = engine.step(batch, rows, "event")
        rows = step.rows
        steps.append((batch, step.predictions))
    return steps


@pytest.mark.parametrize("config", _CONFIGS, ids=lambda c: f"{c.allow_repeats}-{c.experts}-{c.attention}")
@given(batches=_batches, seed=_seeds)
@settings(max_examples=15, deadline=None)
def test_all_shares_together_are_one(config: ModelConfig, batches: list[list[Event]], seed: int) -> None:
    for batch, predictions in predicted(engine_of(config, seed, 2), batches, seed):
        carried_by, weight = predictions.carried_by, predictions.because_weight.sum(1)
        there = predictions.item[:, 0] > 0
        np.testing.assert_allclose(carried_by.sum(1), there, atol=1e-6)
        assert (carried_by >= 0).all()
        assert (weight <= there - carried_by[:, -1] + 1e-6).all()
        user = UserEvent("u", "click", 0, "i", event_id="e")
        size = len(batch)
        origins = EventOrigins("t", [user] * size, [0] * size, [0] * size, [-1] * size, [1] * size)
        for value, item in zip(encode(predictions, origins, _ITEMS, 0), there, strict=True):
            record: dict[str, Any] = json.loads(value, parse_float=Decimal)
            carried = record["carried_by"]
            assert sum(carried.values()) == item
            assert sum(record["because_weight"]) + record["because_other"] + carried["popularity"] == item
            assert record["because_other"] >= 0


@pytest.mark.parametrize(
    "config", [config for config in _CONFIGS if config.attention], ids=lambda c: f"{c.allow_repeats}-{c.experts}"
)
@given(batches=_batches, seed=_seeds)
@settings(max_examples=15, deadline=None)
def test_where_all_events_are_shown_no_other_has_a_share(
    config: ModelConfig, batches: list[list[Event]], seed: int
) -> None:
    batches = [[(user, item or 1, kind) for user, item, kind in events] for events in batches]
    for _, predictions in predicted(engine_of(config, seed, _RING), batches, seed):
        total = predictions.because_weight.sum(1) + predictions.carried_by[:, CARRIERS.index("popularity")]
        np.testing.assert_allclose(total, predictions.item[:, 0] > 0, atol=1e-5)


@given(batches=_batches, seed=_seeds)
@settings(max_examples=15, deadline=None)
def test_a_part_that_is_switched_off_has_no_share(batches: list[list[Event]], seed: int) -> None:
    for config in _CONFIGS:
        for _, predictions in predicted(engine_of(config, seed, 2), batches, seed):
            share = dict(zip(CARRIERS, predictions.carried_by.T, strict=True))
            if not config.experts:
                assert not share["following"].any()
                np.testing.assert_allclose(share["popularity"], 0, atol=1e-6)
            if not config.allow_repeats:
                assert not share["copying"].any()

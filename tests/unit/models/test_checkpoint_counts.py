"""Counts in checkpoints."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import load, save
from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.errors import CheckpointError
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import ITEM_TABLES
from models.network.weights import Weights
from tests.unit.models.committed_steps import committed_step
from tests.unit.models.saved_weights import flip, weights


def test_counts_are_saved_beside_the_weights(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    batch = EventBatch(np.zeros(4, np.int64), np.array([3, 30, 2, 3]), np.ones(4, np.int64), np.arange(4) * 1000)
    committed_step(engine, batch, new_user_states(config, 1))
    experts = engine.experts()
    path = save(tmp_path, replace(weights(config, 1), experts=experts), config, items)
    assert sorted(part.name for part in path.iterdir()) == [
        "experts.safetensors",
        "items.json",
        "manifest.json",
        "weights.safetensors",
    ]
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    assert loaded.experts.keys() == experts.keys()
    for name, array in experts.items():
        np.testing.assert_array_equal(loaded.experts[name], array)
    flip(path / "experts.safetensors")
    with pytest.raises(CheckpointError, match=r"experts\.safetensors is not what"):
        load(tmp_path, config, items)


def test_counts_that_are_not_finite_are_not_saved(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    experts = Engine(config, items).experts()
    experts["gate.value.w"][0] = np.nan
    with pytest.raises(CheckpointError, match="not finite"):
        save(tmp_path, replace(weights(config, 1), experts=experts), config, items)


def test_counts_of_items_beyond_the_register_are_refused(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary
) -> None:
    """Counts may know newer items than the weights do."""
    engine = Engine(config, items)
    committed_step(engine, EventBatch(*(np.array([value]) for value in (0, 30, 1, 1000))), new_user_states(config, 1))
    few = weights(config, 1)
    few = Weights(1, {name: t[:6] if name in ITEM_TABLES else t for name, t in few.tensors.items()}, engine.experts())
    save(tmp_path, few, config, items)
    shorter = ItemVocabulary(100)
    for number in range(10):
        shorter.add(f"i{number}")
    with pytest.raises(CheckpointError, match="knows 30 items"):
        load(tmp_path, config, shorter)
    assert load(tmp_path, config, items) is not None

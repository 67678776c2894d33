from dataclasses import fields
from typing import Any

import pytest

from models.config import LearnerConfig, ModelConfig
from models.training_config import TrainingConfig


@pytest.mark.parametrize("section", [ModelConfig, LearnerConfig, TrainingConfig])
def test_every_field_has_a_help_text(section: Any) -> None:
    assert all(field.metadata["help"] for field in fields(section))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("embedding_dim", 0),
        ("hidden_size", -1),
        ("history_length", 0),
        ("seen_bits", 12),
        ("num_layers", 0),
        ("features", -1),
        ("seed", -1),
        ("seed", 2**31),
        ("max_successors", 0),
        ("max_successors", 100),
        ("sampled_events", -1),
        ("text", "hash"),
        ("text", "hashed:512"),
        ("text", "static"),
        ("text", "sentence:"),
        ("text", "static: "),
        ("text", ""),
    ],
)
def test_invalid_model_settings_are_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"model.{field}"):
        ModelConfig(**{field: value})


def test_items_without_embeddings_need_text_or_features() -> None:
    with pytest.raises(ValueError, match=r"model\.item_embeddings = false needs"):
        ModelConfig(item_embeddings=False, text="none")
    assert ModelConfig(item_embeddings=False, text="none", features=3).features == 3
    assert ModelConfig(item_embeddings=False).text == "hashed"


def test_valid_text_encoders_are_named() -> None:
    for text in ("none", "hashed", "static:all-MiniLM-L6-v2", "sentence:owner/name", "static:/a folder/with: colon"):
        assert ModelConfig(text=text).text == text
    with pytest.raises(ValueError, match="'hashed', 'none', 'static:NAME' or 'sentence:NAME', not 'bert'"):
        ModelConfig(text="bert")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr", 0.0),
        ("max_grad_norm", -1.0),
        ("events_per_step", 0),
        ("replay_windows", -1),
        ("dropout", 1.0),
        ("queue_events", 0),
    ],
)
def test_invalid_learning_settings_are_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"learning.{field}"):
        LearnerConfig(**{field: value})

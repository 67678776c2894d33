"""Small networks of the recipes, items with catalog entries, and events of which some have text."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from streams.settings.recipes import DEFAULT, RECIPES
from streams.settings.settings import recipe_settings

NETWORKS = tuple(name for name in RECIPES if name != DEFAULT)
ITEMS = 20
_WORDS = ["amber", "violin", "harbour", "quick", "onion", "Übung", "映画", "seven"]


def small_config(recipe: str, repeats: Literal["allow", "filter"] = "filter") -> ModelConfig:
    """The recipe's network with few numbers."""
    model = recipe_settings(recipe).model
    width = 12 if model.fusion != "linear" else 8
    return replace(
        model,
        embedding_dim=width,
        hidden_size=12,
        history_length=5,
        allow_repeats=repeats == "allow",
        seen_bits=64,
        experts=False,
        seed=3,
        device="cpu",
    )


def catalog_items(config: ModelConfig) -> ItemVocabulary:
    """Items that each have a title and a category."""
    items = ItemVocabulary(1000, ItemContent(config))
    for number in range(ITEMS):
        title = f"{_WORDS[number % 8]} {_WORDS[number * 3 % 7]} {number}"
        items.describe(f"i{number}", title, [f"c{number % 3}"])
        items.add(f"i{number}")
    return items


def noisy_weights(config: ModelConfig) -> Weights:
    """Random weights in which nothing is zero but what stays so in learning."""
    weights = InterestNetwork(config).snapshot(1)
    generator = torch.Generator().manual_seed(1)
    noise = {name: 0.3 * torch.randn(t.shape, generator=generator) for name, t in weights.tensors.items()}
    noise["value"][0] = 0  # of an event without a value
    if not config.item_embeddings:
        noise["item"].zero_()
    return Weights(1, {name: t + noise[name] for name, t in weights.tensors.items()})


def varied_batch(user: list[int], seed: int = 0) -> EventBatch:
    """Events of all types with values; every third is a search with words, and so about no item."""
    random, count = np.random.default_rng(seed), len(user)
    searches = random.random(count) < 0.33
    return EventBatch(
        np.array(user, np.int64),
        np.where(searches, 0, random.integers(1, ITEMS + 1, count)),
        random.integers(0, len(EVENT_TYPES), count),
        1_700_000_000_000 + np.cumsum(random.integers(0, 10**6, count)),
        value=np.where(searches, np.nan, random.integers(1, 6, count)).astype(np.float32),
        text=[" ".join(random.choice(_WORDS, 3)) if search else "" for search in searches],
    )


def single_event(batch: EventBatch, event: int) -> EventBatch:
    """One event of such a batch."""
    assert batch.value is not None
    assert batch.text is not None
    rows = slice(event, event + 1)
    columns = (batch.user[rows], batch.item[rows], batch.type[rows], batch.time_ms[rows])
    return EventBatch(*columns, value=batch.value[rows], text=batch.text[rows])

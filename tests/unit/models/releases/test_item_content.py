"""Embeddings E' = E + P content in followers, whichever order catalog and releases arrive in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.reviews import Reviews
from models.items.vocabulary import ItemVocabulary
from models.releases.followed_engine import FollowedEngine
from models.releases.release import Release
from models.releases.stream_trainer import StreamTrainer
from tests.unit.models.releases.cluster import LEARNING

MakeBatch = Callable[..., EventBatch]
ITEMS = 300


def vocabulary(config: ModelConfig) -> ItemVocabulary:
    items = ItemVocabulary(1000, ItemContent(config))
    for number in range(ITEMS):
        items.add(f"i{number}")
    return items


class Pair:
    """A trainer and a follower that read the catalog each for itself."""

    def __init__(self, config: ModelConfig) -> None:
        config = replace(config, history_length=30)
        self.config = config
        self.catalogs = vocabulary(config), vocabulary(config)
        self.trainer = StreamTrainer(config, LEARNING, self.catalogs[0])
        self.engine = Engine(config, self.catalogs[1])
        self.follower = FollowedEngine(self.engine)
        self.rows = new_user_states(config, 9)

    def learn(self, batch: EventBatch) -> None:
        step = self.trainer._engine.step(batch, self.rows)
        self.rows = step.rows
        self.trainer.observe(step.rows, step.new_events)
        while self.trainer.train_step() is not None:
            pass

    def release(self) -> Release:
        release = self.trainer.release(full=False)
        return Release.of(release.parts(), release.manifest)

    def assert_same_embeddings(self) -> None:
        batch = EventBatch(np.zeros(1, np.int64), np.ones(1, np.int64), np.ones(1, np.int64), np.ones(1, np.int64))
        for engine in (self.engine, self.trainer._engine):
            engine.step(batch, new_user_states(self.config, 1))  # catches up with the catalog
        tables = [engine._model.item_table[: ITEMS + 1] for engine in (self.engine, self.trainer._engine)]
        torch.testing.assert_close(*tables)


def describe(items: ItemVocabulary, about: str, *numbers: int) -> None:
    for number in numbers:
        items.describe(f"i{number}", f"{about} {number}", [])


@pytest.mark.parametrize("order", list(permutations(["trainer's catalog", "follower's catalog", "release"])))
def test_a_follower_has_the_trainers_embeddings(
    config: ModelConfig, make_batch: MakeBatch, order: tuple[str, ...]
) -> None:
    """Items that the catalog describes anew, for the first time, and never; learnt ones and others."""
    pair = Pair(config)
    for items in pair.catalogs:
        describe(items, "old title", 1, 2, 200)
    pair.learn(make_batch(100, 9, items=30))
    pair.follower.apply(pair.release(), {})
    pair.assert_same_embeddings()
    pair.learn(make_batch(100, 9, items=30, seed=1))
    for what in order:
        if what == "release":
            pair.follower.apply(pair.release(), {})
        else:
            describe(pair.catalogs[what == "follower's catalog"], "new title", 1, 3, 200, 299)
    pair.follower.apply(pair.release(), {})
    pair.assert_same_embeddings()


def reviewed(pair: Pair, seed: int) -> bytes:
    """A worker's texts about items."""
    random = np.random.default_rng(seed)
    item = random.integers(1, ITEMS + 1, 20)
    texts = [f"review {number} of {number % 7}" for number in item.tolist()]
    kind = np.ones(20, np.int64)
    batch = EventBatch(np.arange(20) // 3, item, kind, kind, text=texts)
    (encoded,) = Reviews.of(batch, pair.catalogs[1].content).encode(
        np.ones(9, np.bool_), pair.catalogs[1].register, 1 << 20
    )
    return encoded


def test_a_trainer_that_was_restored_goes_on_with_the_reviews(config: ModelConfig, make_batch: MakeBatch) -> None:
    pair, parts = Pair(config), dict[str, bytes]()
    describe(pair.catalogs[0], "title", *range(ITEMS))
    for seed in range(3):
        assert pair.trainer.observe_reviews(reviewed(pair, seed)) == 20
        pair.learn(make_batch(60, 9, seed=seed))
        release = pair.release()
        assert {name for name in release.parts() if name.startswith("reviews/")} == {f"reviews/{n}" for n in range(3)}
        parts |= release.parts()
    pair.follower.apply(Release.of(parts, release.manifest), {})
    assert not [name for name in pair.release().parts() if name.startswith("reviews/")]
    items = vocabulary(pair.config)
    describe(items, "title", *range(ITEMS))
    successor = StreamTrainer(pair.config, LEARNING, items)
    successor.restore(Release.of(parts, release.manifest))
    tables = [trainer._engine._model.item_table[: ITEMS + 1] for trainer in (pair.trainer, successor)]
    torch.testing.assert_close(*tables)
    pair.assert_same_embeddings()
    more = reviewed(pair, 7)
    for trainer in (pair.trainer, successor):
        trainer.observe_reviews(more)
    contents = [of.content.state() for of in (pair.catalogs[0], items) if of.content is not None]
    for name, array in contents[0].items():
        np.testing.assert_array_equal(contents[1][name], array)
    assert contents[0]["count"].sum() == 80
    full = successor.release(full=True)
    np.testing.assert_array_equal(full.reviewed, contents[0]["item"])


def test_what_is_described_anew_is_released_where_nothing_was_learnt(config: ModelConfig) -> None:
    pair = Pair(config)
    released = []
    for described in ((), (1, 299), (), (200,), ()):
        describe(pair.catalogs[0], "title", *described)
        released.append({name for name in pair.release().parts() if name.startswith("items/")})
    assert released == [set(), {"items/0", "items/2"}, set(), {"items/1"}, set()]

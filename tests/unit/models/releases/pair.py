"""A trainer and a worker that read one item register, and the rows and releases between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.influence import InfluenceLimits
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.inference.stream_counts import POPULARITY
from models.items.content import ItemContent
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from models.releases.followed_engine import FollowedEngine
from models.releases.release import Release
from models.releases.stream_trainer import StreamTrainer
from tests.unit.models.releases.cluster import LEARNING, USERS

MakeBatch = Callable[..., EventBatch]

CAPACITY = 30


class Pair:
    """A trainer and a worker, each with its own view of one register; rows between them name items by their indices."""

    def __init__(self, config: ModelConfig, pair_events: int = 100) -> None:
        self.config = config
        self.records: list[tuple[str, Registration]] = []
        self.vocabularies = [self._vocabulary() for _ in range(2)]
        self.trainer = StreamTrainer(config, LEARNING, self.vocabularies[0], pair_events)
        self.engine, self.worker = self.follower(self.vocabularies[1])
        self.rows = new_user_states(config, USERS)
        self.written: list[tuple[NDArray[np.void], NDArray[np.int64]]] = []
        self.read = 0
        self.parts: dict[str, bytes] = {}
        for number in range(CAPACITY):
            self.register(f"i{number}", [])

    def _vocabulary(self) -> ItemVocabulary:
        items = ItemVocabulary(CAPACITY, ItemContent(self.config))
        for number in range(CAPACITY):
            items.describe(f"i{number}", f"Title {number}", [])
        for record in self.records:
            items.apply(*record)
        return items

    def late_trainer(self) -> StreamTrainer:
        """As a process begins: the register is read after the trainer was made."""
        items = ItemVocabulary(CAPACITY, ItemContent(self.config))
        trainer = StreamTrainer(self.config, LEARNING, items, 100)
        for number in range(CAPACITY):
            items.describe(f"i{number}", f"Title {number}", [])
        for record in self.records:
            items.apply(*record)
        return trainer

    def follower(self, items: ItemVocabulary) -> tuple[Engine, FollowedEngine]:
        engine = Engine(self.config, items, limits=InfluenceLimits.of(LEARNING))
        return engine, FollowedEngine(engine)

    def register(self, item_id: str, evict: list[int], readers: tuple[int, ...] = (0, 1)) -> None:
        self.records.append((item_id, Registration(CAPACITY, evict, time_ms=1)))
        for reader in readers:
            self.catch_up(reader)

    def catch_up(self, reader: int) -> None:
        for record in self.records[self.vocabularies[reader].register.count :]:
            self.vocabularies[reader].apply(*record)

    def step(self, batch: EventBatch) -> None:
        register = self.vocabularies[1].register
        rows = self.rows.copy()
        rows["ring_item"] = register.slots(rows["ring_item"])
        step = self.engine.step(batch, rows)
        self.worker.observe(step, np.zeros(USERS, np.int64), {0: len(self.written) + 1})
        self.rows = step.rows.copy()
        self.rows["ring_item"] = register.indices(step.rows["ring_item"])
        self.written.append((self.rows, step.new_events))

    def train(self) -> None:
        for stored, new_events in self.written[self.read :]:
            rows = stored.copy()
            rows["ring_item"] = self.vocabularies[0].register.slots(rows["ring_item"])
            self.trainer.observe(rows, new_events)
        self.read = len(self.written)
        while self.trainer.train_step() is not None:
            pass

    def release(self, full: bool = False) -> Release:
        release = self.trainer.release(full)
        parts = release.parts()
        self.parts |= parts
        return Release.of(parts, release.manifest)

    def assert_served(self, engine: Engine) -> None:
        """The engine serves what the trainer does, in every slot that both have of the same item."""
        known = np.arange(CAPACITY + 1)
        first, second = (vocabulary.register.indices(known) for vocabulary in self.vocabularies)
        same = known[first == second]
        trainer = self.trainer._engine
        tables = engine._model.item_table[same], trainer._model.item_table[same]
        torch.testing.assert_close(*tables, rtol=1e-3, atol=1e-5)  # released in half precision
        torch.testing.assert_close(engine._model.network.item_bias[same], trainer._model.network.item_bias[same])
        counts, others = (of.counts.rows(same) for of in (engine, trainer))
        for name in set(counts) - {"counted"}:
            # An event whose item was evicted before the trainer read it has no item there, by which popularity ages.
            rtol = 1e-3 if name == POPULARITY else 1e-5
            np.testing.assert_allclose(counts[name], others[name], rtol=rtol, atol=1e-6, err_msg=name)
        pairs, others = (of.counts.pairs(same) for of in (engine, trainer))
        for table in ("successors", "predecessors"):
            assert _cells(pairs, table, same) == pytest.approx(_cells(others, table, same), rel=1e-5)
            if len(same) == CAPACITY + 1:
                totals, expected = (of[f"{table}.totals"] for of in (pairs, others))
                np.testing.assert_allclose(totals, expected, rtol=1e-5, atol=1e-6)


def _cells(pairs: Mapping[str, NDArray[Any]], table: str, items: NDArray[np.int64]) -> dict[tuple[int, int], float]:
    """Counts by row and other item, of these other items."""
    other, count = pairs[f"{table}.items"], pairs[f"{table}.counts"]
    used = np.nonzero(np.isin(other, items) & (other > 0))
    return dict(zip(zip(used[0].tolist(), other[used].tolist(), strict=True), count[used].tolist(), strict=True))

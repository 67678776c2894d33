"""Workload of the GPU benchmark: users with full histories over any number of items, without texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_types import type_index
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary

_CATEGORIES = 20
_START_MS = 1_731_900_000_000
_MINUTE_MS = 60_000


def vocabulary(count: int) -> ItemVocabulary:
    """Items without texts, each of one category."""
    items = ItemVocabulary(count)
    for number in range(count):
        items.describe(f"item-{number}", "", [f"category-{number % _CATEGORIES}"])
        items.add(f"item-{number}")
    return items


class StepWorkload:
    """An engine that has counted the histories of its users; items by a power law, users drawn alike."""

    def __init__(self, config: ModelConfig, items: ItemVocabulary, users: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._items = len(items)
        self._now_ms = _START_MS
        self.engine = Engine(config, items)
        length = config.history_length
        user, item = np.repeat(np.arange(users), length), self._draw_items(users * length)
        times = np.tile(_START_MS - _MINUTE_MS * np.arange(length, 0, -1), users)
        batch = EventBatch(user, item, np.full(len(user), type_index("click")), times)
        self.rows = self.engine.replay(batch, new_user_states(config, users))

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.int64], EventBatch]]:
        """Endless (user indices [n], batch of one event each)."""
        while True:
            users = np.sort(self._random.choice(len(self.rows), size, replace=False))
            self._now_ms += _MINUTE_MS
            kind, times = np.full(size, type_index("click")), np.full(size, self._now_ms)
            yield users, EventBatch(np.arange(size), self._draw_items(size), kind, times)

    def step(self, users: NDArray[np.int64], batch: EventBatch) -> None:
        """One micro-batch; the users' rows are replaced."""
        step = self.engine.step(batch, self.rows[users])
        self.engine.observe(step)
        self.rows[users] = step.rows

    def _draw_items(self, count: int) -> NDArray[np.int64]:
        # A density that falls with 1 / item, without a table of all items.
        item: NDArray[np.int64] = np.exp(self._random.random(count) * np.log(self._items)).astype(np.int64)
        return item.clip(1, self._items)

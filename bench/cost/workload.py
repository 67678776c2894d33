"""Workload of the cost benchmark: users with full histories, and an engine that has counted their events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.event_types import type_index
from models.data.events import EventBatch
from models.data.new_events import NewEvents
from models.data.seen_items import mark_seen
from models.data.timeline import Timeline
from models.data.user_row import user_row_fields
from models.device import set_compute_threads
from models.experts.mixture_state import MixtureState
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings
from models.training.online import OnlineLearner
from state.rows import RowLayout

_CATEGORIES = 20
_START_MS = 1_731_900_000_000
_MINUTE_MS = 60_000
_SKEW = 1.0
_SUCCESSOR_SHARE = 0.5
_REVIEW_WORDS = 80
_WORDS = 20_000


@dataclass(frozen=True)
class Workload:
    """Sizes of the workload: items by Zipf's law, half of the events the successor of the user's last item."""

    items: int = 10_000
    users: int = 2_000
    device: str = "cpu"
    seed: int = 0
    overrides: tuple[str, ...] = ()
    """Settings of the model other than the default, as --set has them"""

    def figures(self) -> dict[str, str | int]:
        """Its sizes, as the report has them."""
        sizes: dict[str, str | int] = {
            "items": self.items,
            "users": self.users,
            "device": self.device,
            "seed": self.seed,
        }
        return sizes | ({"set": ", ".join(self.overrides)} if self.overrides else {})

    def config(self, allow_repeats: bool) -> ModelConfig:
        """Settings of the model, on one thread."""
        model = _model(self.overrides) if self.overrides else ModelConfig()
        return replace(model, allow_repeats=allow_repeats, device=self.device, threads=1, seed=self.seed)


def _model(overrides: tuple[str, ...]) -> ModelConfig:
    # Imported only where asked for: the benchmark runs where the libraries of settings are missing.
    from streams.settings.recipes import DEFAULT
    from streams.settings.settings import recipe_settings

    return recipe_settings(DEFAULT, overrides).model


class ModelUnderTest:
    """Engine, learner and user rows of one workload."""

    def __init__(self, workload: Workload, config: ModelConfig) -> None:
        self._random = np.random.default_rng(workload.seed)
        self._popularity = np.arange(1, workload.items + 1, dtype=np.float64) ** -_SKEW
        self._popularity /= self._popularity.sum()
        set_compute_threads(config)
        self.content = ItemContent(config)
        self.items = ItemVocabulary(workload.items, self.content)
        for number in range(workload.items):
            categories = [f"category-{(number + step) % _CATEGORIES}" for step in range(3)]
            features = self._random.standard_normal(config.features).tolist()
            numbers = dict(zip(config.number_names, self._random.lognormal(size=len(config.number_names)), strict=True))
            self.items.describe(f"item-{number}", f"Item {number}", categories, features=features, numbers=numbers)
            self.items.add(f"item-{number}")
        self.engine = Engine(config, self.items)
        self.learning = LearnerConfig()
        self.learner = OnlineLearner(config, self.learning, self.items)
        self.waiting = OnlineLearner(config, self.learning, self.items)  # never trains
        self.engine.update(self.learner.weights())
        self.layout = RowLayout(user_row_fields(config))
        self.rows = self.layout.new(workload.users)
        self._last_item = self._random.integers(1, workload.items + 1, workload.users)
        self._now_ms = _START_MS
        self._fill_histories(config)

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.int64], EventBatch]]:
        """Endless (user indices [n], batch of one event each)."""
        while True:
            users = np.sort(self._random.choice(len(self.rows), size, replace=False))
            self._now_ms += _MINUTE_MS
            item = self._next_items(users)
            times = np.full(size, self._now_ms)
            yield users, EventBatch(np.arange(size), item, np.full(size, type_index("click")), times)

    def reviews(self, size: int) -> EventBatch:
        """A batch of reviews, about 500 characters each."""
        word = self._random.integers(0, _WORDS, (size, _REVIEW_WORDS)) ** 2 // _WORDS
        text = [" ".join(f"w{number:x}rd" for number in words) for words in word.tolist()]
        item = self._random.choice(len(self._popularity), size, p=self._popularity) + 1
        kind = np.full(size, type_index("review"))
        return EventBatch(np.arange(size), item, kind, np.full(size, self._now_ms), text=text)

    def item_table(self) -> ItemEmbeddings:
        """A separate, current table of item embeddings."""
        network = InterestNetwork(self.engine.config, len(self.items) + 1).to(self.engine.device)
        table = ItemEmbeddings(network.requires_grad_(False), self.content)
        table.refresh()
        return table

    def _fill_histories(self, config: ModelConfig) -> None:
        """Fill the histories: events are counted but not predicted, which would take minutes."""
        experts, users = MixtureState(config), np.arange(len(self.rows))
        item = np.stack([self._next_items(users) for _ in range(config.history_length)], 1)  # [U, K]
        times = np.broadcast_to(_START_MS - _MINUTE_MS * np.arange(config.history_length, 0, -1), item.shape)
        kind = np.full(item.size, type_index("click"))
        batch = EventBatch(np.repeat(users, config.history_length), item.ravel(), kind, times.ravel())
        timeline = Timeline(batch, self.rows)
        after = self.rows.copy()
        timeline.advance(after)
        experts.observe(NewEvents.of(after, timeline.count))
        self.engine.restore(experts.state())
        if config.profile_width:
            after["profile"], after["profile_known"] = self._random.standard_normal(after["profile"].shape), 1
        if not config.allow_repeats:
            mark_seen(after["seen"], batch.user, batch.item)
        self.rows = self.engine.recompute_states(after)

    def _next_items(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        popular = self._random.choice(len(self._popularity), len(users), p=self._popularity) + 1
        follows = self._random.random(len(users)) < _SUCCESSOR_SHARE
        self._last_item[users] = np.where(follows, self._last_item[users] % len(self._popularity) + 1, popular)
        return self._last_item[users]

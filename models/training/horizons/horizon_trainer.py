"""The heads of `model.horizons` beside a trainer's network: learnt from the same rows, released with it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.config import LearnerConfig, ModelConfig
from models.data.new_events import NewestEvents
from models.inference.engine import Engine
from models.inference.interest_scoring import LaterEvents, score_interest
from models.training.horizons.horizon_learner import HorizonLearner


class HorizonTrainer:
    """A learner, and the parameters that the engine uses; where `model.horizons` is off, nothing at all."""

    def __init__(self, config: ModelConfig, learning: LearnerConfig, engine: Engine) -> None:
        self._engine = engine
        self._learner = HorizonLearner(config, learning) if config.horizons else None
        self._random = np.random.default_rng(config.seed)

    def observe(self, rows: NDArray[np.void], new_events: NDArray[np.int64], users: NDArray[np.uint32] | None) -> None:
        """As `HorizonLearner.observe`, before the engine counts the events; rows of unknown users teach nothing."""
        if self._learner is not None and users is not None:
            if len(self._learner.interest):
                self._score(self._learner, rows, new_events, users)
            self._learner.observe(rows, new_events, users)

    def _score(
        self,
        learner: HorizonLearner,
        rows: NDArray[np.void],
        new_events: NDArray[np.int64],
        users: NDArray[np.uint32],
    ) -> None:
        """Score items that came to users who were asked about, by what was known of them then."""
        newest = NewestEvents.of(rows, new_events)
        with_item = np.flatnonzero(newest.item)
        user, time_ms, item = users[newest.row[with_item]], newest.time_ms[with_item], newest.item[with_item]
        waiting = learner.interest.waiting_for(user, time_ms, self._random)
        if not waiting:
            return
        # All at once: a distribution of one row costs nearly as much as those of ten.
        then = np.concatenate([asked.rows[query] for asked, query, _ in waiting])
        asked_ms = np.concatenate([np.full(len(query), asked.time_ms) for asked, query, _ in waiting])
        event = np.concatenate([event for *_, event in waiting])
        came = LaterEvents(item[event], (time_ms[event] - asked_ms) / 1000, np.arange(len(event)))
        silent_s = (asked_ms - then["last_time_ms"]) / 1000
        then, _, blocks = self._engine.distributions(then)
        scored = score_interest(blocks, then, silent_s, came, self._engine.candidates)
        end = np.cumsum([len(query) for _, query, _ in waiting]).tolist()
        for (asked, query, _), low, high in zip(waiting, [0, *end], end, strict=False):
            for kind, new in enumerate(scored):
                part = new[(new.query >= low) & (new.query < high)]
                asked.put(kind, replace(part, query=query[part.query - low]), self._random)

    def train_step(self, all_due: bool = False) -> None:
        """Learn from some labels that have come due, or from all of them."""
        if self._learner is not None:
            self._learner.train_step()
            while all_due and self._learner.due_labels:
                self._learner.train_step()

    def begin(self, learner: Mapping[str, Tensor], released: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Go on from the engine's parameters, or those released, and from what a checkpoint's tensors hold beside."""
        if self._learner is None or self._engine.horizons is None:
            return
        if released:
            self._engine.horizons.restore(released)
        self._learner.begin(self._engine.horizons.state(), learner)

    def restore(self, learner: Mapping[str, Tensor]) -> None:
        """Go on from what a checkpoint's tensors hold beside the parameters."""
        if self._learner is not None:
            self._learner.restore(learner)

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint; the engine has the newest parameters then."""
        self.take(full=True)
        return {} if self._learner is None else self._learner.state()

    def take(self, full: bool) -> dict[str, NDArray[Any]]:
        """The parameters where they changed since the last call, or `full`; the engine uses them from now on."""
        if self._learner is None or self._engine.horizons is None or not (full or self._learner.changed):
            return {}
        self._learner.changed = False
        parameters = self._learner.model.state()
        self._engine.horizons.restore(parameters)
        return parameters

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop all that is held of these users."""
        if self._learner is not None:
            self._learner.forget_users(users)

    def forget_items(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item."""
        if self._learner is not None:
            self._learner.forget_items(gone)

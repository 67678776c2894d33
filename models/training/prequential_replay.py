"""Prequential (test-then-train) replay of an event log: a worker's engine and online learner in one thread."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.data.influence import InfluenceLimits
from models.data.user_profile import store_profile
from models.data.user_row import user_row_fields
from models.data.user_state import new_user_states
from models.errors import HorizonsError
from models.inference.engine import Engine
from models.inference.predictions import Predictions
from models.items.vocabulary import ItemVocabulary
from models.metrics.ranking import TargetScores
from models.network.weights import Weights
from models.training.horizons.horizon_trainer import HorizonTrainer
from models.training.online import OnlineLearner


class PrequentialReplay:
    """Engine, online learner and the state of all users of a log; takes the log batch by batch, in stream order."""

    def __init__(
        self,
        config: ModelConfig,
        learner: LearnerConfig,
        items: ItemVocabulary,
        users: int,
        top_items: int,
        float32_rows: bool = False,
    ) -> None:
        """An item must be in `items` before the first event that names it.

        `float32_rows` keeps `h`, `c` in single precision, to compare with the half precision of a worker's rows.
        """
        self._new_learner = partial(OnlineLearner, config, learner, items)
        self._learner = self._new_learner()
        self._engine = Engine(config, items, top_items=top_items, limits=InfluenceLimits.of(learner))
        self._engine.update(self._learner.weights())
        self._horizons = HorizonTrainer(config, learner, self._engine)
        self._user_rows = new_user_states(config, users)
        if float32_rows:
            fields = [
                (name, "<f4" if name in ("h", "c") else kind, shape) for name, kind, shape in user_row_fields(config)
            ]
            self._user_rows = np.zeros(users, dtype=np.dtype(fields))

    def restore(self, weights: Weights) -> None:
        """Continue from these weights."""
        self._learner.restore(weights)
        self._engine.update(self._learner.weights())

    def restart_learner(self) -> None:
        """What the restart of a worker does to learning: a new learner goes on from what a checkpoint has of this one.

        Events that wait for a step and windows to replay are lost.
        """
        state = self._learner.state()
        self._learner = self._new_learner()
        self._learner.restore(state)

    def replay(self, events: EventLog) -> None:
        """Advance the users and count the events, without predicting; of learning, only `model.horizons` does."""
        if np.bincount(events.user, minlength=1).max() > self._user_rows["ring_item"].shape[1]:
            # Events are counted from rows: of more than a row holds, the older ones would not be.
            middle = len(events) // 2
            self.replay(events[:middle])
            self.replay(events[middle:])
            return
        grouped = events.grouped()
        rows = self._engine.replay(grouped.batch, self._user_rows[grouped.users])
        self._user_rows[grouped.users] = rows
        self._learn_horizons(rows, np.bincount(grouped.batch.user), grouped.users)

    def score(self, events: EventLog, known_items: int) -> TargetScores:
        """Scores [n] of each event by its user's state right before it, among items 1 to `known_items`; no effect."""
        grouped = events.grouped()
        scores = self._engine.score(grouped.batch, self._user_rows[grouped.users], known_items)
        log_order = np.argsort(grouped.order)
        columns: tuple[NDArray[np.float64], ...] = (scores.rank, scores.log_p, scores.top1_p, scores.top1_hit)
        return TargetScores(*(column[log_order] for column in columns))

    def step(self, events: EventLog, learn: bool) -> Predictions:
        """Process a batch as a worker does; with `learn`, then take optimizer steps while enough events wait."""
        grouped = events.grouped()
        step = self._engine.step(grouped.batch, self._user_rows[grouped.users])
        self._user_rows[grouped.users] = step.rows
        if learn:
            self._learn_horizons(step.rows, step.new_events, grouped.users)
        self._engine.observe(step)
        if learn:
            self._learner.observe(step.rows, step.new_events)
            result = None
            while self._learner.ready:
                result = self._learner.train_step()
            if result is not None:
                self._engine.update(self._learner.weights())
        return step.predictions

    @property
    def engine(self) -> Engine:
        """The engine, as it is now."""
        return self._engine

    def describe_users(self, profile: NDArray[np.float32]) -> None:
        """Let this be known of all users of the log [users, F], NaN where it is not, as by `user.upsert`."""
        for user, known in enumerate(profile):
            store_profile(self._user_rows, user, known)

    def rows(self, users: NDArray[np.int64]) -> NDArray[np.void]:
        """Copies of the rows of these users of the log."""
        return self._user_rows[users]

    def return_p(self, users: NDArray[np.int64], time_ms: int) -> NDArray[np.float32]:
        """[U, H] `Engine.return_p` of these users of the log as of a time, by what has come until now."""
        rows = self._user_rows[users]
        return self._engine.return_p(rows, (time_ms - rows["last_time_ms"]) / 1000)

    def spent(self, users: NDArray[np.int64], time_ms: int) -> NDArray[np.float32]:
        """[U, H] likewise, what they are expected to spend; needs `model.horizons`."""
        horizons, rows = self._engine.horizons, self._user_rows[users]
        if horizons is None:
            raise HorizonsError
        return horizons.forecast(horizons.signals(rows, (time_ms - rows["last_time_ms"]) / 1000))[1]

    def _learn_horizons(self, rows: NDArray[np.void], new_events: NDArray[np.int64], users: NDArray[np.int64]) -> None:
        self._horizons.observe(rows, new_events, (users + 1).astype(np.uint32))
        self._horizons.train_step(all_due=True)
        self._horizons.take(full=False)

    def weights(self) -> Weights:
        """Network, learner and expert counts, as a worker saves them."""
        return replace(self._learner.state(), experts=self._engine.experts())

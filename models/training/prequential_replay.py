"""A worker without its stream: engine and learner over the memories of all users of a log, one after the other."""

import numpy as np
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.data.event_log import EventLog
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.inference.predictions import Predictions
from models.items.vocabulary import ItemVocabulary
from models.metrics.ranking import Scores
from models.network.weights import Weights
from models.training.online import OnlineLearner


class PrequentialReplay:
    """Replays, scores and steps portions of a log, in the order of the stream."""

    def __init__(
        self, config: ModelConfig, learner: LearnerConfig, items: ItemVocabulary, users: int, top_items: int
    ) -> None:
        """`items` holds every item before the first event that names it comes."""
        self._learner = OnlineLearner(config, learner, items)
        self._engine = Engine(config, items, top_items=top_items)
        self._engine.update(self._learner.weights())
        self._memory = new_user_states(config, users)

    def start(self, weights: Weights) -> None:
        """Go on from these weights."""
        self._learner.restore(weights)
        self._engine.update(self._learner.weights())

    def replay(self, events: EventLog) -> None:
        """Users move on and the events are counted; weights and mixer stay as they are."""
        grouped = events.grouped()
        self._memory[grouped.users] = self._engine.replay(grouped.batch, self._memory[grouped.users])

    def score(self, events: EventLog, known: int) -> Scores:
        """How well each event is foreseen under the state right before it, among the items up to `known`."""
        grouped = events.grouped()
        found = self._engine.score(grouped.batch, self._memory[grouped.users], known)
        back = np.argsort(grouped.order)
        columns: tuple[NDArray[np.float64], ...] = (found.rank, found.log_p, found.top1_p, found.top1_hit)
        return Scores(*(column[back] for column in columns))

    def step(self, events: EventLog, learn: bool) -> Predictions:
        """What a worker does with a batch; with `learn`, what its learning thread does until nothing is due."""
        grouped = events.grouped()
        step = self._engine.step(grouped.batch, self._memory[grouped.users])
        self._memory[grouped.users] = step.rows
        if learn:
            self._learner.observe(grouped.batch, step.rows)
            learnt = None
            while self._learner.ready:
                learnt = self._learner.learn()
            if learnt is not None:
                self._engine.update(self._learner.weights())
        return step.predictions

    def weights(self) -> Weights:
        """Weights and counts, as a worker saves them."""
        weights = self._learner.weights()
        return Weights(weights.version, weights.tensors, self._engine.experts())

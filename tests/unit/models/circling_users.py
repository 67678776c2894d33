"""Users who walk around 20 items in a fixed order, for online training."""

import numpy as np

from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.training.online import OnlineLearner

ITEMS = 20


def circling_vocabulary() -> ItemVocabulary:
    items = ItemVocabulary(10_000)
    for number in range(ITEMS):
        items.add(f"i{number}")
    return items


def sequence(users: int, length: int, items: int, start: int = 0) -> EventBatch:
    """Every user walks around the items in order, each from another start."""
    user = np.repeat(np.arange(users), length)
    item = (np.tile(np.arange(length), users) + start + user * 3) % items + 1
    return EventBatch(user, item, np.full(len(user), 2), (np.arange(len(user)) + start) * 1000)


def train(learner: OnlineLearner, engine: Engine, rounds: int) -> None:
    for round_ in range(rounds):
        batch = sequence(10, 6, ITEMS, start=round_ * 6)
        step = engine.step(batch, new_user_states(engine.config, 10))
        learner.observe(step.rows, step.new_events)
        while learner.pending_events:
            learner.train_step()
    engine.update(learner.weights())

"""A log in which each user walks around a circle of items, so that the next item can be predicted."""

import numpy as np

from models.config import ModelConfig
from models.data.event_log import EventLog
from models.data.event_types import type_index
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary


def circle_log(events: int = 3000, users: int = 40, items: int = 30, seed: int = 0) -> EventLog:
    random = np.random.default_rng(seed)
    user = random.integers(0, users, events)
    position = random.integers(0, items, users)
    item = np.empty(events, np.int64)
    for event, number in enumerate(user.tolist()):
        position[number] = (position[number] + 1) % items if random.random() < 0.8 else random.integers(items)
        item[event] = position[number] + 1
    return EventLog(
        user=user,
        item=item,
        time_ms=np.cumsum(random.integers(1, 100_000, events)),
        type=np.full(events, type_index("view")),
        value=np.full(events, np.nan),
        text=np.full(events, "", dtype=np.object_),
    )


def circle_vocabulary(items: int, config: ModelConfig) -> ItemVocabulary:
    vocabulary = ItemVocabulary(items, ItemContent(config))
    for number in range(1, items + 1):
        vocabulary.add(f"i{number}")
    return vocabulary

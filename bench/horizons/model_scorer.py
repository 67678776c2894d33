"""The product's model on a log: learns in one pass, and is asked at each time by what it knows then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.horizons.interest import InterestMeasurement
from bench.horizons.logs import HorizonLog
from models.config import LearnerConfig, ModelConfig
from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from models.training.prequential_replay import PrequentialReplay

BATCH_EVENTS = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """Probability of return of all users who had an event by a time."""

    time_ms: int
    users: NDArray[np.int64]
    return_p: NDArray[np.float32]
    """[U, H]"""
    spent: NDArray[np.float32]
    """[U, H] expected sum of the values of purchases"""


def ask_model(
    log: HorizonLog,
    model: ModelConfig,
    learning: LearnerConfig,
    times_ms: NDArray[np.int64],
    interest: InterestMeasurement,
    on_progress: ProgressCallback,
) -> Iterator[Asked]:
    """Predictions at each of the times, which rise; events after a time are not read before it is asked at.

    At those times that are scored, `interest` is asked, too.
    """
    set_compute_threads(model)
    events, dataset = log.events, log.dataset
    items = ItemVocabulary(max(dataset.items, 1), ItemContent(model))
    for item_id, title, categories in zip(dataset.item_ids, dataset.titles, dataset.categories, strict=True):
        if item_id and (title or categories):
            items.describe(item_id, title, categories)
    replay = PrequentialReplay(model, learning, items, dataset.users, top_items=20)
    known_items = position = 0
    for time_ms in times_ms.tolist():
        end = int(np.searchsorted(events.time_ms, time_ms, side="right"))
        while position < end:
            batch = events[position : min(position + BATCH_EVENTS, end)]
            for number in range(known_items + 1, int(batch.item.max(initial=0)) + 1):
                items.add(dataset.item_ids[number])
                known_items = number
            replay.step(batch, learn=True)
            position += len(batch)
            on_progress(position, len(events))
        users = np.unique(events.user[:end])
        yield Asked(time_ms, users, replay.return_p(users, time_ms), replay.spent(users, time_ms))
        if time_ms in log.test_ms:
            interest.ask(replay, time_ms)

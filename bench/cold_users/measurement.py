"""Recall of a worker's engine and learner on a made-up population, at users' first events and at later ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.cold_users.population import DAY_MS, PROFILE_WIDTH, Population
from models.config import LearnerConfig, ModelConfig
from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from models.training.prequential_replay import PrequentialReplay

ARMS = ("no profile", "profiles", "profiles of other users")
"""What is known of a user; the third is a control: nothing but what the numbers say differs"""
FIRST_EVENTS = ("first", "second", "third")
BATCH_EVENTS = 128
_TOP = 10


@dataclass(frozen=True, slots=True)
class ColdUserResult:
    """Recall@10 of events after the first days, each scored before it is learnt."""

    recall_at_10: dict[str, float]
    """By number of the event among its user's: the first ones, and all later"""
    events: dict[str, int]


def measure(
    population: Population,
    arm: str,
    model: ModelConfig,
    learner: LearnerConfig,
    seed: int,
    warm_up_days: int,
    on_progress: ProgressCallback,
) -> ColdUserResult:
    """Replay the events, learning from nothing; what comes after `warm_up_days` is scored."""
    width = 0 if arm == ARMS[0] else PROFILE_WIDTH
    config = replace(model, text="none", user_features=width, user_numbers="")
    set_compute_threads(config)
    events, users = population.events, len(population.profile)
    items = ItemVocabulary(population.items, ItemContent(config))
    replay = PrequentialReplay(config, learner, items, users, _TOP)
    if width:
        known = np.arange(users)
        if arm == ARMS[2]:
            known = np.random.default_rng(seed).permutation(users)
        replay.describe_users(population.profile[known])
    begin_ms = int(events.time_ms[0]) + warm_up_days * DAY_MS
    had, hits, numbers = np.zeros(users, np.int64), [], []
    appeared = 0
    for low in range(0, len(events), BATCH_EVENTS):
        batch = events[low : low + BATCH_EVENTS]
        for item in range(appeared + 1, int(batch.item.max()) + 1):
            items.add(f"i{item}")
        number = had[batch.user] + _earlier_in_batch(batch.user)
        np.add.at(had, batch.user, 1)
        scored = batch.time_ms >= begin_ms
        if scored.any():
            hits.append(replay.score(batch, appeared).rank[scored] <= _TOP)
            numbers.append(number[scored])
        replay.step(batch, learn=True)
        appeared = max(appeared, int(batch.item.max()))
        on_progress(min(low + BATCH_EVENTS, len(events)), len(events))
    hit, place = np.concatenate(hits), np.minimum(np.concatenate(numbers), len(FIRST_EVENTS))
    names = (*FIRST_EVENTS, "later")
    recall = {name: float(hit[place == number].mean()) for number, name in enumerate(names)}
    return ColdUserResult(recall, {name: int((place == number).sum()) for number, name in enumerate(names)})


def _earlier_in_batch(user: np.ndarray) -> np.ndarray:
    """[n] how many events before it in the batch each event's user has there."""
    order = np.argsort(user, kind="stable")
    start = np.searchsorted(user[order], user[order])
    earlier = np.zeros(len(user), np.int64)
    earlier[order] = np.arange(len(user)) - start
    return earlier

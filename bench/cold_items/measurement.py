"""Recall of a worker's engine and learner on a made-up catalogue, of cold items and of all others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.cold_items.catalogue import DAY_MS, VECTOR_WIDTH, Catalogue, in_batches
from models.config import LearnerConfig, ModelConfig
from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from models.training.prequential_replay import PrequentialReplay

ARMS = ("ids alone", "vectors", "vectors of other items", "vectors and price")
"""What the network reads of an item; the third is a control: nothing but what the numbers say differs"""
BATCH_EVENTS = 128
_TOP = 10


@dataclass(frozen=True, slots=True)
class ColdItemResult:
    """Recall@10 of events after the first days, each scored before it is learnt; no item can be hit at its first."""

    cold_recall_at_10: float
    """Of events whose item came into the catalogue less than a day before"""
    other_recall_at_10: float
    cold_events: int
    other_events: int


def arm_config(arm: str, model: ModelConfig) -> ModelConfig:
    """The model's settings in this arm."""
    return replace(
        model,
        allow_repeats=False,
        text="none",
        features=0 if arm == ARMS[0] else VECTOR_WIDTH,
        numbers="price" if arm == ARMS[3] else "",
    )


def measure(
    catalogue: Catalogue,
    arm: str,
    model: ModelConfig,
    learner: LearnerConfig,
    seed: int,
    warm_up_days: int,
    on_progress: ProgressCallback,
) -> ColdItemResult:
    """Replay the events, learning from nothing; what comes after `warm_up_days` is scored."""
    config = arm_config(arm, model)
    set_compute_threads(config)
    events, count = catalogue.events, len(catalogue.arrival_ms)
    items = ItemVocabulary(count, ItemContent(config))
    shown = np.arange(count)
    if arm == ARMS[2]:
        shown[1:] = 1 + np.random.default_rng(seed).permutation(count - 1)
    replay = PrequentialReplay(config, learner, items, catalogue.users, _TOP)
    begin_ms = int(events.time_ms[0]) + warm_up_days * DAY_MS
    hits, colds = [], []
    done = appeared = 0
    for batch in in_batches(events, BATCH_EVENTS):
        latest = max(appeared, int(batch.item.max(initial=0)))
        for item in range(appeared + 1, latest + 1):
            price = {"price": float(catalogue.price[item])}
            items.describe(f"i{item}", "", (), features=catalogue.vector[shown[item]].tolist(), numbers=price)
            items.add(f"i{item}")
        scored = batch.time_ms >= begin_ms
        if scored.any():
            hits.append(replay.score(batch, appeared).rank[scored] <= _TOP)
            colds.append((batch.time_ms - catalogue.arrival_ms[batch.item] < DAY_MS)[scored])
        replay.step(batch, learn=True)
        appeared = latest
        on_progress(done := done + len(batch), len(events))
    hit, cold = np.concatenate(hits), np.concatenate(colds)
    return ColdItemResult(float(hit[cold].mean()), float(hit[~cold].mean()), int(cold.sum()), int((~cold).sum()))

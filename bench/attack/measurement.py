"""What an attack changes for the other users: a replay by the worker's engine and learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.attack.injection import AttackedLog
from bench.quality.datasets import Dataset
from models.config import LearnerConfig, ModelConfig
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from models.training.prequential_replay import PrequentialReplay

TOP_K = 10


@dataclass(frozen=True, slots=True)
class AttackResult:
    """Figures of the users who do not attack, in the attacked part of the log."""

    target_share: float
    """Share of their lists of ten items that have the pushed one"""
    recall_at_10: float
    """Of their events, each scored before it is learnt"""
    lists: int
    """Lists: one for each user and micro-batch"""


def measure(
    dataset: Dataset,
    log: AttackedLog,
    model: ModelConfig,
    learner: LearnerConfig,
    batch_events: int,
    on_progress: ProgressCallback,
) -> AttackResult:
    """Replay the log, learning from nothing; the figures are those from its attacked part on."""
    items = ItemVocabulary(max(dataset.items, 1), ItemContent(model))
    for item_id, title, categories in zip(dataset.item_ids, dataset.titles, dataset.categories, strict=True):
        if title or categories:
            items.describe(item_id, title, categories)
    replay = PrequentialReplay(model, learner, items, dataset.users, TOP_K)
    with_target, lists, ranks = 0, 0, []
    appeared = 0
    for low in range(0, len(log.events), batch_events):
        batch = log.events[low : low + batch_events]
        latest = max(appeared, int(batch.item.max(initial=0)))
        for item_id in dataset.item_ids[appeared + 1 : latest + 1]:
            items.add(item_id)
        if low >= log.begin:
            others = ~np.isin(batch.user, log.attackers) & (batch.item > 0)
            ranks.append(replay.score(batch, appeared).rank[others])
        predictions = replay.step(batch, learn=True)
        if low >= log.begin:
            grouped = batch.grouped()
            user = grouped.users[grouped.batch.user[predictions.event]]
            shown = predictions.item[~np.isin(user, log.attackers), :TOP_K]
            with_target += int((shown == log.target).any(1).sum())
            lists += len(shown)
        appeared = latest
        on_progress(min(low + batch_events, len(log.events)), len(log.events))
    rank = np.concatenate(ranks)
    return AttackResult(with_target / max(lists, 1), float((rank <= TOP_K).mean()), lists)

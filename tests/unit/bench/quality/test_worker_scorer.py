from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.quality import metrics
from bench.quality.counters.counter_scorer import popularity_scorer
from bench.quality.protocols import evaluate, split_events
from bench.quality.worker_scorer import WorkerScorer
from models.config import LearnerConfig, ModelConfig
from models.data.events import TYPE_WEIGHT
from models.training_config import TrainingConfig
from tests.unit.bench.small_logs import random_log

LOG = random_log(events=4000)
MODEL = ModelConfig(
    embedding_dim=16, hidden_size=16, history_length=10, allow_repeats=True, experts=False, device="cpu"
)


TRAINING = TrainingConfig(epochs=6, batch_events=200, window=20, lr=0.01)


def recall(training: TrainingConfig | None) -> float:
    scorer = WorkerScorer(LOG, MODEL, LearnerConfig(events_per_step=64), training, batch_events=64)
    result = evaluate(LOG, split_events(LOG, "prequential"), scorer, lambda done, total: None)
    assert result.scores.top_items.max() <= LOG.items
    return metrics.recall(result.scores.rank, 10)


@pytest.mark.slow
def test_online_learning_beats_popularity_and_offline_training_helps() -> None:
    popular = evaluate(
        LOG, split_events(LOG, "prequential"), popularity_scorer(LOG), lambda done, total: None
    ).scores.rank
    online, trained = recall(None), recall(TRAINING)
    assert online > 1.3 * metrics.recall(popular, 10)
    assert trained > online


def test_a_restart_keeps_the_weights_and_loses_the_replayed_windows() -> None:
    restarted, other = (
        WorkerScorer(LOG, MODEL, LearnerConfig(events_per_step=64), batch_events=64, restart_events=restart_events)
        for restart_events in (256, None)
    )
    for low in range(0, 512, 64):
        for scorer in (restarted, other):
            scorer.step(LOG.events[low : low + 64], learn=True)
        weights = [scorer.weights() for scorer in (restarted, other)]
        assert weights[0].version == weights[1].version
        # The first step after a restart has no window to replay.
        same = all(torch.equal(weights[0].tensors[name], weights[1].tensors[name]) for name in weights[0].tensors)
        assert same == (low < 256)


def test_rows_in_single_precision_predict_nearly_the_same() -> None:
    half, single = (WorkerScorer(LOG, MODEL, LearnerConfig(), float32_rows=wide) for wide in (False, True))
    for scorer in (half, single):
        scorer.step(LOG.events[:1000], learn=True)
    by_half, by_single = (scorer.score(LOG.events[1000:1100]).log_p for scorer in (half, single))
    assert not np.array_equal(by_half, by_single)
    np.testing.assert_allclose(by_half, by_single, atol=1e-3)


@pytest.mark.slow
def test_fit_changes_the_weights_only() -> None:
    scorer, fresh = (WorkerScorer(LOG, MODEL, LearnerConfig(), training) for training in (TRAINING, None))
    for unused in (scorer, fresh):
        unused.fit(LOG.events[:1000], lambda done, total: None)
        unused.add_candidates(LOG.items)
    first = LOG.events[np.flatnonzero(np.r_[True, np.diff(LOG.events.user) != 0])][:50]
    fitted, untrained = scorer.score(first), fresh.score(first)
    assert not np.array_equal(fitted.rank, untrained.rank)
    # No user has events yet: all users get the same ranking, so each item has one rank.
    for scores in (fitted, untrained):
        first_index = {user: index for index, user in reversed(list(enumerate(first.user.tolist())))}
        ranks_by_item: dict[int, set[float]] = {}
        for index in first_index.values():
            ranks_by_item.setdefault(int(first.item[index]), set()).add(float(scores.rank[index]))
        assert all(len(ranks) == 1 for ranks in ranks_by_item.values())


@pytest.mark.slow
def test_events_of_the_offline_training_are_counted_and_not_learnt_again() -> None:
    scorer = WorkerScorer(
        LOG, replace(MODEL, experts=True), LearnerConfig(events_per_step=8, max_repeats=0), TRAINING, 64
    )
    scorer.fit(LOG.events[:1000], lambda done, total: None)
    trained = scorer.weights().version
    for low in range(0, 896, 64):
        scorer.step(LOG.events[low : low + 64], learn=True)
        assert scorer.weights().version == trained
    counts = scorer.weights().experts["popularity.counts"][-1]
    np.testing.assert_allclose(counts[1:].sum(), 896 * TYPE_WEIGHT[LOG.events.type[0]])
    assert scorer.weights().experts["gate.steps"] == 0
    for low in range(896, 2000, 64):
        scorer.step(LOG.events[low : low + 64], learn=True)
    assert scorer.weights().version > trained
    assert scorer.weights().experts["gate.steps"] > 0

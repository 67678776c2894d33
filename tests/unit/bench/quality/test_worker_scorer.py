from dataclasses import replace

import numpy as np

from bench.quality import metrics
from bench.quality.counters.counter_scorer import popularity
from bench.quality.protocols import plan, replay
from bench.quality.worker_scorer import WorkerScorer
from models.config import LearnerConfig, ModelConfig, TrainingConfig
from models.data.events import TYPE_WEIGHT
from tests.unit.bench.small_logs import random_log

LOG = random_log(events=4000)
MODEL = ModelConfig(
    embedding_dim=16, hidden_size=16, history_length=10, allow_repeats=True, experts=False, device="cpu"
)


TRAINING = TrainingConfig(epochs=6, batch_events=200, window=20, lr=0.01)


def recall(training: TrainingConfig | None) -> float:
    scorer = WorkerScorer(LOG, MODEL, LearnerConfig(events_per_step=64), training, batch_events=64)
    outcome = replay(LOG, plan(LOG, "prequential"), scorer, lambda done, total: None)
    assert outcome.scores.shown.max() <= LOG.items
    return metrics.recall(outcome.scores.rank, 10)


def test_learning_in_the_replay_beats_popularity_and_training_before_it_helps() -> None:
    popular = replay(LOG, plan(LOG, "prequential"), popularity(LOG), lambda done, total: None).scores.rank
    online, trained = recall(None), recall(TRAINING)
    assert online > 1.3 * metrics.recall(popular, 10)
    assert trained > online


def test_a_fit_leaves_weights_and_nothing_else() -> None:
    scorer, fresh = (WorkerScorer(LOG, MODEL, LearnerConfig(), training) for training in (TRAINING, None))
    for each in (scorer, fresh):
        each.fit(LOG.events[:1000], lambda done, total: None)
        each.know(LOG.items)
    first = LOG.events[np.flatnonzero(np.r_[True, np.diff(LOG.events.user) != 0])][:50]
    fitted, untaught = scorer.score(first), fresh.score(first)
    assert not np.array_equal(fitted.rank, untaught.rank)
    # Nobody has done anything yet: all users get the same ranking, each item its one place.
    for found in (fitted, untaught):
        at_first = {user: at for at, user in reversed(list(enumerate(first.user.tolist())))}
        places: dict[int, set[float]] = {}
        for at in at_first.values():
            places.setdefault(int(first.item[at]), set()).add(float(found.rank[at]))
        assert all(len(ranks) == 1 for ranks in places.values())


def test_what_was_trained_on_is_counted_and_teaches_nothing_again() -> None:
    scorer = WorkerScorer(LOG, replace(MODEL, experts=True), LearnerConfig(events_per_step=8), TRAINING, 64)
    scorer.fit(LOG.events[:1000], lambda done, total: None)
    trained = scorer.weights().version
    for low in range(0, 896, 64):
        scorer.step(LOG.events[low : low + 64], learn=True)
        assert scorer.weights().version == trained
    counts = scorer.weights().experts["popularity.counts"][-1]
    np.testing.assert_allclose(counts[1:].sum(), 896 * TYPE_WEIGHT[LOG.events.type[0]])
    assert scorer.weights().experts["mixer.steps"] == 0
    for low in range(896, 2000, 64):
        scorer.step(LOG.events[low : low + 64], learn=True)
    assert scorer.weights().version > trained
    assert scorer.weights().experts["mixer.steps"] > 0

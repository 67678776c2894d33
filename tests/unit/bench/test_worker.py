import numpy as np

from bench import metrics
from bench.counter_scorer import popularity
from bench.protocols import plan, replay
from bench.worker import WorkerScorer
from models.config import LearnerConfig, ModelConfig
from tests.unit.bench.small_logs import random_log

LOG = random_log(events=4000)
MODEL = ModelConfig(width=16, hidden=16, ring=10, repeats="allow", experts=False, device="cpu")


def recall(epochs: int) -> float:
    scorer = WorkerScorer(LOG, MODEL, LearnerConfig(events_per_step=64), epochs, batch_events=64)
    outcome = replay(LOG, plan(LOG, "prequential"), scorer, lambda done, total: None)
    assert outcome.scores.shown.max() <= LOG.items
    return metrics.recall(outcome.scores.rank, 10)


def test_learning_in_the_replay_beats_popularity_and_passes_over_the_past_help() -> None:
    popular = replay(LOG, plan(LOG, "prequential"), popularity(LOG), lambda done, total: None).scores.rank
    once, thrice = recall(1), recall(3)
    assert once > 1.3 * metrics.recall(popular, 10)
    assert thrice > once


def test_a_fit_leaves_weights_and_nothing_else() -> None:
    scorer = WorkerScorer(LOG, MODEL, LearnerConfig(events_per_step=64), epochs=2, batch_events=64)
    fresh = WorkerScorer(LOG, MODEL, LearnerConfig(events_per_step=64), epochs=1, batch_events=64)
    for each in (scorer, fresh):
        each.fit(LOG.events[:1000])
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

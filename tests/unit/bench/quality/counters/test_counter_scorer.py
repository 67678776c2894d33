from collections.abc import Callable

import pytest

from bench.quality import metrics
from bench.quality.counters.counter_scorer import markov_scorer, mix_scorer, popularity_scorer
from bench.quality.counters.counters import CounterSettings, default_settings
from bench.quality.datasets import Dataset
from bench.quality.protocols import evaluate, split_events
from tests.unit.bench.small_logs import make_log, random_log

REFERENCE_FIGURES = {
    ("ml-100k", "popularity"): (0.0769, 0.1222, 0.0264),
    ("ml-100k", "markov"): (0.1332, 0.2031, 0.0546),
    ("ml-100k", "mix"): (0.1971, 0.3038, 0.0806),
    ("wikipedia", "popularity"): (0.3925, 0.5411, 0.1802),
    ("wikipedia", "markov"): (0.8764, 0.8891, 0.8210),
    ("wikipedia", "mix"): (0.8980, 0.9107, 0.8254),
}
"""Recall@10, recall@20 and MRR@20 of another implementation, on the last 30 % of each log"""

MAKERS = {"popularity": popularity_scorer, "markov": markov_scorer, "mix": mix_scorer}


def test_user_histories_advance_within_a_batch() -> None:
    log = make_log([0, 0, 0, 0, 0], [1, 2, 1, 1, 2])
    scorer = markov_scorer(log)
    scorer.step(log.events[:3], learn=True)
    both = scorer.score(log.events[3:])
    # After item 1 item 2 is expected, so the repeated 1 is second; after it, 2 is first.
    assert both.rank.tolist() == [2, 1]


def test_the_settings_with_the_best_past_are_used() -> None:
    log = random_log()
    good, bad = CounterSettings(1_000, popularity=0.02), CounterSettings(1_000, popularity=1e6)
    chosen, fixed = markov_scorer(log, [bad, good]), markov_scorer(log, [good])
    for scorer in (chosen, fixed):
        scorer.fit(log.events[:1200], lambda done, total: None)
        scorer.step(log.events[:1900], learn=True)
    late = log.events[1900:]
    assert chosen.score(late).rank.tolist() == fixed.score(late).rank.tolist()
    without_past = markov_scorer(log, [bad, good])
    without_past.step(log.events[:1900], learn=True)
    assert without_past.score(late).rank.tolist() != fixed.score(late).rank.tolist()


@pytest.mark.real_log
@pytest.mark.parametrize("name", ["ml-100k", "wikipedia"])
@pytest.mark.parametrize("kind", list(MAKERS))
def test_figures_are_those_of_another_implementation(name: str, kind: str, real_log: Callable[[str], Dataset]) -> None:
    log = real_log(name)
    scorer = MAKERS[kind](log, [default_settings(log.allow_repeats)])
    rank = evaluate(log, split_events(log, "prequential"), scorer, lambda done, total: None).scores.rank
    figures = metrics.recall(rank, 10), metrics.recall(rank, 20), metrics.mrr(rank, 20)
    assert figures == pytest.approx(REFERENCE_FIGURES[name, kind], abs=0.002)

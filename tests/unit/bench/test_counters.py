from collections.abc import Callable

import numpy as np
import pytest

from bench import metrics
from bench.counters import Markov, Mix, Popularity, markov, mix, popularity
from bench.datasets import Dataset
from bench.protocols import plan, replay
from bench.scorer import Scorer
from tests.unit.bench.small_logs import make_log

ELSEWHERE = {
    ("ml-100k", "popularity"): (0.0769, 0.1222, 0.0264),
    ("ml-100k", "markov"): (0.1332, 0.2031, 0.0546),
    ("ml-100k", "mix"): (0.1971, 0.3038, 0.0806),
    ("wikipedia", "popularity"): (0.3925, 0.5411, 0.1802),
    ("wikipedia", "markov"): (0.8764, 0.8891, 0.8210),
    ("wikipedia", "mix"): (0.8980, 0.9107, 0.8254),
}
"""Recall@10, recall@20 and MRR@20 of another implementation, on the last 30 % of each log"""

MADE = {"popularity": popularity, "markov": markov, "mix": mix}


def test_popularity_halves_after_its_half_life() -> None:
    counter = Popularity(half_life=2)
    for item in (1, 2, 2):
        counter.observe([], item)
    shares = counter.weights([], 3)
    np.testing.assert_allclose(shares * (0.5 + 0.5**0.5 + 1), [0, 0.5, 0.5**0.5 + 1, 0])


def test_popularity_lasts_however_many_events_there_are() -> None:
    counter = Popularity(half_life=1)
    for item in [1] * 2000 + [2]:
        counter.observe([], item)
    np.testing.assert_allclose(counter.weights([], 2), [0, 0.5, 0.5])


def test_markov_gives_shares_of_what_followed_and_a_little_popularity() -> None:
    counter = Markov(half_life=1e12, back_off=0.1)
    for before, item in (([], 1), ([1], 2), ([1, 2], 1), ([1, 2, 1], 3)):
        counter.observe(before, item)
    np.testing.assert_allclose(counter.weights([9, 1], 3), [0, 0.05, 0.5 + 0.025, 0.5 + 0.025])
    np.testing.assert_allclose(counter.weights([], 3), [0, 0.05, 0.025, 0.025])


def test_the_mix_adds_recency_only_where_items_come_back() -> None:
    found = {}
    for repeats in ("allow", "filter"):
        counter = Mix(half_life=1e12, repeats="allow" if repeats == "allow" else "filter")
        for before, item in (([], 1), ([1], 2), ([1, 2], 3)):
            counter.observe(before, item)
        found[repeats] = counter.weights([2, 3], 3)
    recency = np.array([0, 0, 1 / 3, 2 / 3])
    np.testing.assert_allclose(found["allow"] - found["filter"], recency)
    # Item 3 is the only one that ever followed item 2; nothing followed item 3.
    np.testing.assert_allclose(found["filter"], [0, 0.02 / 3, 0.02 / 3, 1 + 0.02 / 3])


def test_users_move_on_within_a_batch() -> None:
    log = make_log([0, 0, 0, 0, 0], [1, 2, 1, 1, 2])
    scorer = markov(log)
    scorer.step(log.events[:3], learn=True)
    both = scorer.score(log.events[3:])
    # After item 1 item 2 is expected, so the repeated 1 is second; after it, 2 is first.
    assert both.rank.tolist() == [2, 1]


@pytest.mark.parametrize("name", ["ml-100k", "wikipedia"])
@pytest.mark.parametrize("kind", list(MADE))
def test_figures_are_those_of_another_implementation(name: str, kind: str, real_log: Callable[[str], Dataset]) -> None:
    log = real_log(name)
    scorer: Scorer = MADE[kind](log)
    rank = replay(log, plan(log, "prequential"), scorer, lambda done, total: None).scores.rank
    found = metrics.recall(rank, 10), metrics.recall(rank, 20), metrics.mrr(rank, 20)
    assert found == pytest.approx(ELSEWHERE[name, kind], abs=0.002)

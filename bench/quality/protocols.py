"""Evaluation protocols: which events a scorer learns from, and which it is scored on, by replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.quality.datasets import Dataset
from bench.quality.scorer import EventScores, Scorer
from models.data.event_log import EventLog
from models.progress import ProgressCallback

_FIT_SHARE = 0.6
_MIN_HISTORY = 2
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class EvaluationSplit:
    """Indices of a dataset's events by what they are used for, in stream order."""

    protocol: str
    replayed: NDArray[np.int64]
    """Replayed before the scored events, with learning"""
    scored: NDArray[np.int64]
    fit: NDArray[np.int64]
    """For training in any number of passes beforehand"""
    learn_scored: bool
    """Whether events are learnt after they are scored"""
    all_items: bool = False
    """Whether all items of the dataset are candidates from the start"""


def _last_part(first_share: float, learn_scored: bool) -> Callable[[Dataset, str], EvaluationSplit]:
    def split(dataset: Dataset, protocol: str) -> EvaluationSplit:
        index = np.arange(len(dataset.events))
        first = int(len(index) * first_share)
        fit = first if not learn_scored else int(len(index) * _FIT_SHARE)
        return EvaluationSplit(protocol, index[:first], index[first:], index[:fit], learn_scored)

    return split


def _leave_one_out(dataset: Dataset, protocol: str) -> EvaluationSplit:
    user, users = dataset.events.user, dataset.users
    index = np.arange(len(user))
    counts = np.bincount(user, minlength=users)
    from_end = counts[user] - 1 - _count_earlier(user)
    held_out = dataset.complete_users & (counts > _MIN_HISTORY)
    scored = index[(from_end == 0) & held_out[user]]
    # The second to last event is learnt as in a stream, after the events to fit.
    second_to_last = index[(from_end == 1) & held_out[user]]
    fit = np.setdiff1d(index, np.concatenate([scored, second_to_last]))
    replayed = np.concatenate([fit, second_to_last])
    return EvaluationSplit(protocol, replayed, scored, fit, learn_scored=False, all_items=True)


PROTOCOLS: dict[str, Callable[[Dataset, str], EvaluationSplit]] = {
    "prequential": _last_part(0.7, learn_scored=True),
    "jodie": _last_part(0.9, learn_scored=True),
    "split": _last_part(0.7, learn_scored=False),
    "leave-one-out": _leave_one_out,
}
"""By name. prequential: the last 30 % of the events are scored, then learnt; jodie: the last 10 % (Kumar et al., 2019);
split: the last 30 %, without learning; leave-one-out: each user's last event, after all other events of all users"""


@dataclass(frozen=True, slots=True)
class ScorerResult:
    """Scores of one scorer on m scored events, with properties of these events."""

    split: EvaluationSplit
    events: EventLog
    scores: EventScores
    candidates: NDArray[np.int64]
    """[m] number of candidates, including the event's item"""
    user_events: NDArray[np.int64]
    """[m] earlier events of the user"""
    item_events: NDArray[np.int64]
    """[m] earlier events of the item"""
    items: int
    """Distinct items of the dataset"""


def split_events(dataset: Dataset, protocol: str) -> EvaluationSplit:
    """The split of this protocol. Raises BenchError for an unknown protocol, or too few events."""
    if protocol not in PROTOCOLS:
        raise BenchError(f"no protocol is called {protocol!r}; there are {', '.join(PROTOCOLS)}")
    split = PROTOCOLS[protocol](dataset, protocol)
    if not len(split.scored) or not len(split.replayed):
        raise BenchError(f"{dataset.name}: {len(dataset.events)} events are too few for {protocol}")
    return split


def evaluate(dataset: Dataset, split: EvaluationSplit, scorer: Scorer, on_progress: ProgressCallback) -> ScorerResult:
    """The scorer's outcome."""
    events = dataset.events
    done, total = 0, len(split.replayed) + len(split.scored)
    scorer.fit(events[split.fit], on_progress)
    if split.all_items:
        scorer.add_candidates(dataset.items)
    size = max(scorer.batch_events, 1)
    # Without scoring, larger chunks give the same result faster.
    chunk = max(size, _CHUNK) if size == 1 else size
    for low in range(0, len(split.replayed), chunk):
        rows = split.replayed[low : low + chunk]
        scorer.step(events[rows], learn=True)
        done += len(rows)
        on_progress(done, total)
    parts = []
    for low in range(0, len(split.scored), size):
        batch = events[split.scored[low : low + size]]
        parts.append(scorer.score(batch))
        scorer.step(batch, learn=split.learn_scored)
        done += len(batch)
        if done % _CHUNK < size:
            on_progress(done, total)
    on_progress(total, total)
    return _result(dataset, split, EventScores.join(parts))


def _result(dataset: Dataset, split: EvaluationSplit, scores: EventScores) -> ScorerResult:
    events, scored = dataset.events, split.scored
    user_events = _count_earlier(events.user)[scored]
    item_events = _count_earlier(events.item)[scored]
    appeared = np.concatenate([[0], np.maximum.accumulate(events.item)[:-1]])  # items before each event
    items = np.full(len(scored), dataset.items) if split.all_items else appeared[scored]
    candidates = items if dataset.allow_repeats else items - user_events
    return ScorerResult(split, events[scored], scores, candidates, user_events, item_events, dataset.items)


def _count_earlier(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n] number of equal entries before each entry."""
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    starts = np.flatnonzero(np.r_[True, sorted_key[1:] != sorted_key[:-1]])
    lengths = np.diff(np.r_[starts, len(key)])
    earlier = np.empty(len(key), dtype=np.int64)
    earlier[order] = np.arange(len(key)) - np.repeat(starts, lengths)
    return earlier

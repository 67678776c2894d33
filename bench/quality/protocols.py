"""Protocols: which events a scorer learns from, and which it is scored on. Evaluation is replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.quality.datasets import Dataset
from bench.quality.scorer import Scorer, Scores
from models.data.event_log import EventLog
from models.progress import ProgressCallback

_FIT = 0.6
_LEAST_HISTORY = 2
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """Which events of a dataset are for what, as their numbers in stream order."""

    protocol: str
    past: NDArray[np.int64]
    """Replayed first, with learning"""
    scored: NDArray[np.int64]
    fit: NDArray[np.int64]
    """May be learnt from in any number of passes beforehand"""
    online: bool
    """Whether scored events are learnt once they are scored"""
    all_items: bool = False
    """Whether every item is a candidate from the start, met or not"""


def _from(share: float, online: bool) -> Callable[[Dataset, str], Plan]:
    def plan(dataset: Dataset, protocol: str) -> Plan:
        number = np.arange(len(dataset.events))
        first = int(len(number) * share)
        fit = first if not online else int(len(number) * _FIT)
        return Plan(protocol, number[:first], number[first:], number[:fit], online)

    return plan


def _leave_one_out(dataset: Dataset, protocol: str) -> Plan:
    user, users = dataset.events.user, dataset.users
    number = np.arange(len(user))
    before = _earlier(user)
    counts = np.bincount(user, minlength=users)
    from_end = counts[user] - 1 - before
    held_out = dataset.whole & (counts > _LEAST_HISTORY)
    scored = number[(from_end == 0) & held_out[user]]
    # The last but one is learnt as in a stream, after all that may be learnt in many passes.
    late = number[(from_end == 1) & held_out[user]]
    fit = np.setdiff1d(number, np.concatenate([scored, late]))
    return Plan(protocol, np.concatenate([fit, late]), scored, fit, online=False, all_items=True)


PROTOCOLS: dict[str, Callable[[Dataset, str], Plan]] = {
    "prequential": _from(0.7, online=True),
    "jodie": _from(0.9, online=True),
    "split": _from(0.7, online=False),
    "leave-one-out": _leave_one_out,
}
"""By name: the last 30 % scored, then learnt; the last 10 % likewise (Kumar et al., 2019); the last 30 % with what
users share frozen; each user's last event, after all others of all users"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scorer did on m scored events, and what is known of these."""

    plan: Plan
    events: EventLog
    scores: Scores
    candidates: NDArray[np.int64]
    """[m] items that could be ranked, with the event's own"""
    history: NDArray[np.int64]
    """[m] the user's events before it"""
    popularity: NDArray[np.int64]
    """[m] the item's events before it"""
    items: int
    """Distinct items of the log"""


def plan(dataset: Dataset, protocol: str) -> Plan:
    """Who is scored on what. BenchError for an unknown protocol or where it leaves nothing to score."""
    if protocol not in PROTOCOLS:
        raise BenchError(f"no protocol is called {protocol!r}; there are {', '.join(PROTOCOLS)}")
    planned = PROTOCOLS[protocol](dataset, protocol)
    if not len(planned.scored) or not len(planned.past):
        raise BenchError(f"{dataset.name}: {len(dataset.events)} events are too few for {protocol}")
    return planned


def replay(dataset: Dataset, planned: Plan, scorer: Scorer, on_progress: ProgressCallback) -> Outcome:
    """The scorer's outcome."""
    events = dataset.events
    done, total = 0, len(planned.past) + len(planned.scored)
    scorer.fit(events[planned.fit], on_progress)
    if planned.all_items:
        scorer.know(dataset.items)
    size = max(scorer.batch_events, 1)
    # Where nothing is scored, one event at a time is only slow.
    chunk = max(size, _CHUNK) if size == 1 else size
    for low in range(0, len(planned.past), chunk):
        rows = planned.past[low : low + chunk]
        scorer.step(events[rows], learn=True)
        done += len(rows)
        on_progress(done, total)
    parts = []
    for low in range(0, len(planned.scored), size):
        batch = events[planned.scored[low : low + size]]
        parts.append(scorer.score(batch))
        scorer.step(batch, learn=planned.online)
        done += len(batch)
        if done % _CHUNK < size:
            on_progress(done, total)
    on_progress(total, total)
    return _outcome(dataset, planned, Scores.join(parts))


def _outcome(dataset: Dataset, planned: Plan, scores: Scores) -> Outcome:
    events, scored = dataset.events, planned.scored
    history = _earlier(events.user)[scored]
    popularity = _earlier(events.item)[scored]
    known = np.maximum.accumulate(events.item)
    known = np.full(len(scored), dataset.items) if planned.all_items else np.concatenate([[0], known[:-1]])[scored]
    candidates = known - history if dataset.repeats == "filter" else known
    return Outcome(planned, events[scored], scores, candidates, history, popularity, dataset.items)


def _earlier(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n] how many of the entries before each are equal to it."""
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    starts = np.flatnonzero(np.r_[True, sorted_key[1:] != sorted_key[:-1]])
    lengths = np.diff(np.r_[starts, len(key)])
    earlier = np.empty(len(key), dtype=np.int64)
    earlier[order] = np.arange(len(key)) - np.repeat(starts, lengths)
    return earlier

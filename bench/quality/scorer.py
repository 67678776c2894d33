"""Scorer interface of the evaluation, implemented by the worker and the count-based baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog
from models.progress import ProgressCallback

TOP_K = 10
"""Length of the lists whose coverage of the items is measured"""


@dataclass(frozen=True, slots=True)
class EventScores:
    """How n events were predicted."""

    rank: NDArray[np.float64]
    """[n] rank of the event's item from 1, ties share their mean rank; infinite if it was no candidate"""
    log_p: NDArray[np.float64]
    """[n] log-probability of the event's item; -inf if it was no candidate"""
    top1_p: NDArray[np.float64]
    """[n] probability of the most probable item; 0 without candidates"""
    top1_hit: NDArray[np.bool_]
    """[n] whether the most probable item was the event's item"""
    expected_value: NDArray[np.float64]
    """[n] predicted rating; NaN if the scorer predicts none"""
    top_items: NDArray[np.int64]
    """[m, TOP_K] lists of the most probable items, as many as the scorer made; 0 is padding"""

    @staticmethod
    def join(parts: Sequence[EventScores]) -> EventScores:
        """Concatenate the parts."""
        return EventScores(
            *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(EventScores))
        )


class Scorer(Protocol):
    """Predicts events before it learns from them: `score`, then `step`, with the same events in stream order.

    Candidates are the items that have appeared, without those that the user had if the dataset has no repeats.
    """

    name: str
    batch_events: int
    """Events that are scored with the same shared state (weights, counts)"""

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Learn from these events in any number of passes, before any other call; user states are reset afterwards."""

    def add_candidates(self, items: int) -> None:
        """Make the items 1 … `items` candidates, whether they have appeared or not."""

    def score(self, events: EventLog) -> EventScores:
        """Score each event with its user's state just before it; nothing is learnt."""

    def step(self, events: EventLog, learn: bool) -> None:
        """Advance the user states by these events; with `learn`, also the shared state."""

"""Scorer: what every predictor looks like to the evaluation, the worker's engine and the counters alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.data.event_log import EventLog
from models.progress import ProgressCallback

TOP = 10
"""Length of the lists whose coverage of the items is measured"""


@dataclass(frozen=True, slots=True)
class Scores:
    """How n events were predicted."""

    rank: NDArray[np.float64]
    """[n] place of the event's item from 1, the mean of the places of equals; infinite where it was no candidate"""
    log_p: NDArray[np.float64]
    """[n] log-probability of the event's item; -inf where it was no candidate"""
    top1_p: NDArray[np.float64]
    """[n] probability of the most probable item; 0 where there was no candidate at all"""
    top1_hit: NDArray[np.bool_]
    """[n] whether that was the event's item"""
    value: NDArray[np.float64]
    """[n] rating expected of the event's user for its item; NaN where the scorer expects none"""
    shown: NDArray[np.int64]
    """[m, TOP] lists that users were shown meanwhile, m as the scorer makes them; 0 pads"""

    @staticmethod
    def join(parts: Sequence[Scores]) -> Scores:
        """The parts one after the other."""
        return Scores(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Scores)))


class Scorer(Protocol):
    """Predicts, is scored, then learns: `score` and then `step` with the same events, in stream order.

    Candidates are the items met so far, less those that the user had where repeats are filtered.
    """

    name: str
    batch_events: int
    """Events to score at once: what users share (weights, counts) stays as it is meanwhile"""

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        """Learn from the past in any number of passes, before anything else; users begin anew after it."""

    def know(self, items: int) -> None:
        """Make the items up to this number candidates, met or not."""

    def score(self, events: EventLog) -> Scores:
        """Each event under its user's state right before it; changes nothing."""

    def step(self, events: EventLog, learn: bool) -> None:
        """Users move on by these events; with `learn`, so does what they share."""

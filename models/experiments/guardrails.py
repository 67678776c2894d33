"""Guardrails: bounds of metrics beyond which an arm is stopped, on evidence that holds at whatever time one looks.

An arm is stopped when the confidence sequence of its difference from the control lies beyond the bound throughout, so
that among all guardrails and arms of an experiment one is stopped wrongly with probability alpha at most: alpha is
divided among them (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.experiments.confidence_sequence import difference, interval
from models.experiments.moments import Estimate


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a metric may move from the control's."""

    harm: Literal["decrease", "increase"]
    """Which change does harm"""
    allowed: float = 0.0
    """Change of the metric per decision that is put up with; not negative"""

    def is_crossed(self, low: float, high: float) -> bool:
        """Whether every difference from the control in [low, high] does more harm than is put up with."""
        return high < -self.allowed if self.harm == "decrease" else low > self.allowed


def crosses(bound: Bound, arm: Estimate, control: Estimate, alpha: float, rate: float) -> bool:
    """Whether the arm is to be stopped; the estimates are of one arm each."""
    low, high = interval(difference(arm, control), alpha, rate)
    return bound.is_crossed(float(low), float(high))

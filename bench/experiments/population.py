"""Users of simulated experiments, who come one after the other: moments of the arms after each group of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.experiments.moments import FloatArray, products, user_rows


@dataclass(frozen=True, slots=True)
class Population:
    """How users decide and are rewarded."""

    rate: float = 0.1
    """Mean reward of a decision in the control, 0 or 1 each time"""
    decisions: float = 3.0
    """Mean of a user; one and a Poisson number"""
    spread: float = 0.8
    """Of users: standard deviation of the logarithm of their rates"""
    decisions_before: int = 20
    """Before the experiment, of each user: their mean reward is the covariate"""


def arrivals(
    random: np.random.Generator, population: Population, experiments: int, looks: int, users_per_look: int, lift: float
) -> FloatArray:
    """Moments [E, L, 2, 4, 4] of a control and an arm with this relative lift, at each look.

    Between two looks so many users come into each arm.
    """
    shape = (experiments, looks, users_per_look, 2)
    factor = np.exp(population.spread * random.standard_normal(shape) - population.spread**2 / 2)
    before = np.clip(population.rate * factor, 0, 1)
    now = np.clip(before * np.array([1.0, 1.0 + lift]), 0, 1)
    decisions = 1 + random.poisson(population.decisions - 1, shape)
    covariate = random.binomial(population.decisions_before, before) / population.decisions_before
    rows = user_rows(decisions, random.binomial(decisions, now), covariate)  # [E, L, users, 2, 4]
    moments: FloatArray = products(rows).sum(axis=2).cumsum(axis=1)
    return moments

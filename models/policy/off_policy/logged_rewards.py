"""Logged decisions as estimators need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.policy.slate import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class LoggedRewards:
    """n decisions of K places. The reward of a place may depend on the items at this place and at those before it."""

    rewards: FloatArray  # [n, K]
    logged: FloatArray
    """[n, K] propensities by which it was chosen, each given the places before"""
    target: FloatArray
    """[n, K] propensities of the same choices by the policy to be evaluated"""
    predicted: FloatArray
    """[n, K] a model's reward of what was shown; zero where there is no model"""
    expected: FloatArray
    """[n, K] the model's mean reward of what the policy to be evaluated would show there, after the places before"""
    cluster: IntArray | None = None
    """[n] the user of each decision: what is resampled together; None: decisions do not depend on each other"""

    @property
    def weights(self) -> FloatArray:
        """[n, K] importance of the reward of each place: the product of the ratios up to it."""
        return np.cumprod(self.target / self.logged, axis=1)

    @property
    def earlier_weights(self) -> FloatArray:
        """[n, K] the product of the ratios before each place."""
        weights = self.weights
        return np.concatenate([np.ones((len(weights), 1)), weights[:, :-1]], 1)

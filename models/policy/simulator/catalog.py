"""Items of the simulation: quality, what is predicted of it, and when they are on offer."""

from __future__ import annotations

import numpy as np

from models.policy.simulator.parameters import SimulatorParameters
from models.policy.slate import BoolArray, FloatArray, IntArray

_FRESH_ROUNDS = 5


class SimulatedCatalog:
    """All items that are ever on offer, by index; what comes depends on the seed alone, not on what is shown."""

    def __init__(self, parameters: SimulatorParameters, random: np.random.Generator) -> None:
        self._parameters = parameters
        self._random = random
        arrivals = random.poisson(parameters.arrivals, parameters.rounds)
        count = parameters.items + int(arrivals.sum())
        self._arrival_round = np.r_[np.full(parameters.items, -1), np.repeat(np.arange(parameters.rounds), arrivals)]
        self.category: IntArray = random.permutation(np.arange(count) % parameters.categories)
        self.log_quality = self._draw_quality(count)
        error = random.normal(0, parameters.prediction_error, count)
        self._warm = self._arrival_round < 0
        self._predicted_quality = np.where(self._warm, np.exp(self.log_quality + error), 1.0)
        self.appeal: FloatArray = np.ones(parameters.categories)
        """[G] of each category to all users"""
        self.purchase_p = np.clip(parameters.purchase_p * random.uniform(0, 2, count), 0, 1)

    def __len__(self) -> int:
        return len(self.category)

    def offered(self, round_index: int) -> IntArray:
        """Indices of the items that are on offer in this round, the oldest first."""
        arrived = int(np.searchsorted(self._arrival_round, round_index, side="right"))
        return np.arange(arrived - self._parameters.items, arrived)

    def predicted_quality(self, items: IntArray, clicks: IntArray) -> FloatArray:
        """[...] of items [...] that so many clicks [...] of all users have come of."""
        shares = np.array(self._parameters.new_item_prediction)
        row = np.minimum(np.ceil(np.log2(clicks + 1)).astype(np.int64), len(shares) - 1)  # of 0, 1, 2-3, 4-7, …
        return self._predicted_quality[items] * np.where(self._warm[items], 1.0, shares[row])

    def fresh(self, items: IntArray, round_index: int) -> BoolArray:
        """Which of the items came in the last rounds."""
        came = self._arrival_round[items]
        return np.asarray((came >= 0) & (came > round_index - _FRESH_ROUNDS))

    def change_tastes(self) -> None:
        """Draw appeal of categories and quality of items anew."""
        self.log_quality = self._draw_quality(len(self))
        deviation = self._parameters.quality_deviation
        self.appeal = np.exp(self._random.normal(-(deviation**2) / 2, deviation, self._parameters.categories))

    def _draw_quality(self, count: int) -> FloatArray:
        deviation = self._parameters.quality_deviation  # the mean of the quality is 1
        return self._random.normal(-(deviation**2) / 2, deviation, count)

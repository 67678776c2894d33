"""Position bias: how often users look at each place, from decisions with propensities."""

from __future__ import annotations

import numpy as np

from models.policy.slate import FloatArray

_MAX_WEIGHT = 1000.0


def examination_of(rewards: FloatArray, propensities: FloatArray) -> FloatArray:
    """[K] mean reward at each place, relative to the first, if any candidate stood there with the same probability.

    `rewards` and `propensities` [n, K] are those of decisions of a policy that shows every candidate with a positive
    probability; 0 where a slate has no item at the place. Rewards are weighted by 1 / propensity, normalised at each
    place, so that the items at all places are alike, but for those that already stand at an earlier one. What is left
    is what the place does. The result is what `RewardModelSettings.examination` takes. ValueError where the first place
    has no reward.
    """
    weights = np.minimum(np.where(propensities > 0, 1 / np.maximum(propensities, 1e-12), 0), _MAX_WEIGHT)
    mean = (weights * rewards).sum(0) / np.maximum(weights.sum(0), 1e-12)
    if not mean[0] > 0:
        raise ValueError("no reward was logged at the first place: position bias needs more decisions")
    return np.asarray(mean / mean[0])

"""Probability of return within each horizon: the network's hazard mixed with what is counted, by logistic regression.

    p = sigmoid(a logit p_network + x·w)      x: recency, frequency, age (data/activity.py)

The regression begins as the network alone, and takes in labels as they come due, with the logit that the network had
when the question was asked: so it weighs the network by how well that has predicted. Older labels fade, so that the
mixture stays calibrated while the stream changes.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.activity import RECENCY_FEATURES
from models.data.horizons import HORIZON_DAYS
from models.experts.online_logistic import OnlineLogistic, sigmoid

_RIDGE: Final = 1.0
# Log-loss of cdnow's training questions from day 200 on: .2258 with 60 000 and without end; the test days drift less
# than their base rate does, so that a shorter one costs more than it gives.
_HALF_LIFE: Final = 60_000.0


class ReturnMixture:
    """A regression for each horizon."""

    def __init__(self) -> None:
        initial = np.zeros((len(HORIZON_DAYS), RECENCY_FEATURES + 1))
        initial[:, -1] = 1
        self.regressions = OnlineLogistic(initial, _RIDGE, _HALF_LIFE)

    def probabilities(self, recency: NDArray[np.float64], network: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H] from features [n, RECENCY_FEATURES] and the network's logits [n, H].

        A longer horizon is never less probable.
        """
        logits = [
            self.regressions.logits(_features(recency, network, number))[:, number]
            for number in range(len(HORIZON_DAYS))
        ]
        p: NDArray[np.float64] = np.maximum.accumulate(sigmoid(np.stack(logits, 1)), axis=1)
        return p

    def fit(
        self, horizon: int, recency: NDArray[np.float64], network: NDArray[np.float64], returned: NDArray[np.bool_]
    ) -> None:
        """Take in labels [n] of a horizon, with features and logits as they were when the questions were asked."""
        self.regressions.fit(horizon, _features(recency, network, horizon), returned)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        return self.regressions.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features or horizons."""
        self.regressions.restore(state)


def _features(recency: NDArray[np.float64], network: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    return np.column_stack([recency, network[:, horizon]])

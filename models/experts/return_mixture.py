"""Probability of return within each horizon: the network's hazard mixed with a logistic regression on counts.

    p = sigmoid(a logit p_network + b x·w + c)      x: recency, frequency, age (data/activity.py)

a, b, c and w are fitted again and again to the newest labels that have come due: so the mixture follows what the time
has changed (calibration under drift). Every fit is a few Newton steps from the one before, drawn to it (ridge).
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.activity import RECENCY_FEATURES
from models.data.horizons import HORIZON_DAYS

_HORIZONS: Final = len(HORIZON_DAYS)
_MAX_LOGIT: Final = 12.0
_COUNTS_RIDGE: Final = 1.0
_MIXING_RIDGE: Final = 20.0
_NEWTON_STEPS: Final = 4
MIN_LABELS: Final = 200
"""Labels that a first fit needs: before, the network's hazard stands alone"""


class ReturnMixture:
    """Parameters of each horizon."""

    def __init__(self) -> None:
        self.counts = np.zeros((_HORIZONS, RECENCY_FEATURES))
        """w"""
        self.mixing = np.tile(np.array([1.0, 0.0, 0.0]), (_HORIZONS, 1))
        """a, b, c"""
        self.labels = np.zeros(_HORIZONS)
        """That the parameters were fitted to so far"""

    def count_logits(self, recency: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H] logits of the counts alone, from features [n, RECENCY_FEATURES]."""
        return (recency @ self.counts.T).clip(-_MAX_LOGIT, _MAX_LOGIT)

    def probabilities(self, network: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H] of logits [n, H] of both; a longer horizon is never less probable."""
        mixed = self.mixing[:, 0] * network + self.mixing[:, 1] * counts + self.mixing[:, 2]
        p: NDArray[np.float64] = np.maximum.accumulate(sigmoid(mixed), axis=1)
        return p

    def fit_counts(self, horizon: int, recency: NDArray[np.float64], returned: NDArray[np.bool_]) -> None:
        """Fit w of a horizon to labels [n] with the features [n, F] that there were when they were asked for."""
        prior = self.counts[horizon]
        self.counts[horizon] = _logistic_fit(recency, returned, prior, _COUNTS_RIDGE, np.ones(len(returned)))

    def fit_mixing(
        self,
        horizon: int,
        network: NDArray[np.float64],
        counts: NDArray[np.float64],
        returned: NDArray[np.bool_],
        weight: NDArray[np.float64],
    ) -> None:
        """Fit a, b, c of a horizon to labels [n] with both logits [n] as they were predicted then."""
        prior = self.mixing[horizon]
        if not self.labels[horizon]:
            prior = np.array([0.5, 0.5, 0.0])
        x = np.column_stack([network, counts, np.ones(len(network))])
        self.mixing[horizon] = _logistic_fit(x, returned, prior, _MIXING_RIDGE, weight)
        self.labels[horizon] += len(returned)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        return {"counts": self.counts.copy(), "mixing": self.mixing.copy(), "labels": self.labels.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features or horizons."""
        for name in ("counts", "mixing", "labels"):
            if state[name].shape != getattr(self, name).shape:
                raise ValueError(f"{name} of shape {state[name].shape} there, {getattr(self, name).shape} here")
        self.counts, self.mixing, self.labels = (
            state[name].astype(np.float64, copy=True) for name in ("counts", "mixing", "labels")
        )


def sigmoid(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits."""
    p: NDArray[np.float64] = 1 / (1 + np.exp(-logit.clip(-30, 30)))
    return p


def logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits of probabilities, at most 12 from 0."""
    p = p.clip(1e-9, 1 - 1e-9)
    logits: NDArray[np.float64] = np.log(p / (1 - p)).clip(-_MAX_LOGIT, _MAX_LOGIT)
    return logits


def _logistic_fit(
    x: NDArray[np.float64],
    label: NDArray[np.bool_],
    prior: NDArray[np.float64],
    ridge: float,
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weights [F] by Newton's method from the prior, to which `ridge` draws them; the prior where they diverge."""
    w = prior.copy()
    penalty = np.eye(len(w)) * ridge
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(x @ w)
        gradient = x.T @ (weight * (label - p)) - ridge * (w - prior)
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + penalty
        w = w + np.linalg.solve(curvature, gradient)
    return w if np.isfinite(w).all() and np.abs(x @ w).max(initial=0) < 100 else prior

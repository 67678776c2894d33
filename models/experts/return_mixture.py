"""Probability of return within each horizon: the network's hazard, a regression on counts, and both recalibrated.

    network       n, the logit of the hazard
    regression    r = n w_0 + x·w           x: recency, frequency, age (data/activity.py)
    recalibrated  c = a n + b r + d         fitted to the newest labels alone
    p = Σ_e share_e sigmoid(logit_e)        share ∝ exp(.05 · faded log-likelihood of what each predicted)

Every label is taken in once it is due, with the logits that there were when the question was asked: so an expert's
share follows how well it has predicted, and the mixture stays calibrated while the stream changes.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.activity import RECENCY_FEATURES
from models.data.horizons import HORIZON_DAYS
from models.experts.online_logistic import MAX_LOGIT, OnlineLogistic, sigmoid

RETURN_EXPERTS: Final = ("network", "regression", "recalibrated")

# Log-loss on the second half of the training days of bench/horizons/logs.py: wikipedia .558 with these experts, .560
# without the recalibrated one, .566 where that stands alone; cdnow .230, .230 and .231.
_RIDGE: Final = 1.0
_HALF_LIFE: Final = 60_000.0
_RECALIBRATED_RIDGE: Final = 20.0
_RECENT_LABELS: Final = 2_000.0
"""Half-life of labels in recalibration"""
# AUC and log-loss on the second half of the training days, 4 000 and .05 beside 2 000 and .02: cdnow .7781, .2298 and
# .7777, .2300; amazon-music .654, .330 and .652, .329; ml-100k .826, .359 and .826, .358; wikipedia .784, .558 both.
_SHARE_LABELS: Final = 4_000.0
_RATE: Final = 0.05


class ReturnMixture:
    """Experts of each horizon."""

    def __init__(self) -> None:
        horizons = len(HORIZON_DAYS)
        initial = np.zeros((horizons, RECENCY_FEATURES + 1))
        initial[:, -1] = 1
        self.regressions = OnlineLogistic(initial, _RIDGE, _HALF_LIFE)
        self.recalibrations = OnlineLogistic(
            np.tile(np.array([1.0, 0.0, 0.0]), (horizons, 1)), _RECALIBRATED_RIDGE, _RECENT_LABELS
        )
        self.evidence = np.zeros((horizons, len(RETURN_EXPERTS)))
        """[H, 3] faded log-likelihoods"""

    def logits(self, recency: NDArray[np.float64], network: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H, 3] of the experts, from features [n, RECENCY_FEATURES] and the network's logits [n, H]."""
        weights, (by_network, by_counts, offset) = self.regressions.weights, self.recalibrations.weights.T
        counted = _bounded(recency @ weights[:, :-1].T + network * weights[:, -1])
        both = _bounded(by_network * network + by_counts * counted + offset)
        return np.stack([network, counted, both], 2)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H] of the experts' logits [n, H, 3]; a longer horizon is never less probable."""
        share = np.exp(_RATE * (self.evidence - self.evidence.max(1, keepdims=True)))
        share /= share.sum(1, keepdims=True)
        p: NDArray[np.float64] = np.maximum.accumulate((sigmoid(logits) * share).sum(2), axis=1)
        return p

    def fit(
        self, horizon: int, recency: NDArray[np.float64], logits: NDArray[np.float64], returned: NDArray[np.bool_]
    ) -> None:
        """Take in labels [n] of a horizon, with features and logits [n, 3] as they were when they were asked for."""
        gain = -np.logaddexp(0, np.where(returned[:, None], -logits, logits)).sum(0)
        self.evidence[horizon] = 0.5 ** (len(returned) / _SHARE_LABELS) * self.evidence[horizon] + gain
        network, counted = logits[:, 0], logits[:, 1]
        self.recalibrations.fit(horizon, np.column_stack([network, counted, np.ones(len(network))]), returned)
        self.regressions.fit(horizon, np.column_stack([recency, network]), returned)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        state = {"evidence": self.evidence.copy()}
        for name in ("regressions", "recalibrations"):
            state |= {f"{name}.{key}": array for key, array in getattr(self, name).state().items()}
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features or horizons."""
        if state["evidence"].shape != self.evidence.shape:
            raise ValueError(f"experts of shape {state['evidence'].shape} there, {self.evidence.shape} here")
        for name in ("regressions", "recalibrations"):
            prefix = f"{name}."
            part = {key.removeprefix(prefix): array for key, array in state.items() if key.startswith(prefix)}
            getattr(self, name).restore(part)
        self.evidence = state["evidence"].astype(np.float64, copy=True)


def _bounded(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return logit.clip(-MAX_LOGIT, MAX_LOGIT)

"""Probability of return within each horizon: the network's hazard, a regression on counts, and both recalibrated.

    network       n, the logit of the hazard
    regression    r = n w_0 + x·w           x: recency, frequency, age (data/activity.py)
    recalibrated  c = a n + b r + d         fitted to the newest labels alone
    p = Σ_e share_e sigmoid(logit_e)        share ∝ exp(.02 · faded log-likelihood of what each predicted)

Every label is taken in once it is due, with the logits that there were when the question was asked: so an expert's
share follows how well it has predicted, and the mixture stays calibrated while the stream changes.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.activity import RECENCY_FEATURES
from models.data.horizons import HORIZON_DAYS
from models.experts.online_logistic import OnlineLogistic, sigmoid

RETURN_EXPERTS: Final = ("network", "regression", "recalibrated")

# Log-loss on the second half of the training days, AUC beside it (python -m bench horizons): wikipedia .558 with these
# experts, .560 without the recalibrated one, .566 where that stands alone; cdnow .230 each, .231 alone.
_RIDGE: Final = 1.0
_HALF_LIFE: Final = 60_000.0
_RECALIBRATED_RIDGE: Final = 20.0
_RECENT_LABELS: Final = 2_000.0
"""Half-life of labels in shares and in recalibration"""
_RATE: Final = 0.02


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
        logits = np.empty((*network.shape, len(RETURN_EXPERTS)))
        for number in range(len(HORIZON_DAYS)):
            column = network[:, number]
            counted = self.regressions.logits(np.column_stack([recency, column]))[:, number]
            both = self.recalibrations.logits(np.column_stack([column, counted, np.ones(len(column))]))[:, number]
            logits[:, number] = np.stack([column, counted, both], 1)
        return logits

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
        self.evidence[horizon] = 0.5 ** (len(returned) / _RECENT_LABELS) * self.evidence[horizon] + gain
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

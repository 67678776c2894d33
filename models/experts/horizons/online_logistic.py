"""Logistic regressions that are fitted label by label: the estimate so far is the prior of what comes (Laplace)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_NEWTON_STEPS: Final = 6
_HALVINGS: Final = 8
MAX_LOGIT: Final = 12.0


class OnlineLogistic:
    """J regressions on F features each; older labels count half after `half_life` newer ones."""

    def __init__(self, initial: NDArray[np.float64], ridge: float, half_life: float) -> None:
        """`initial` [J, F] are the weights before any label, `ridge` how firmly they hold, in labels."""
        self.weights = initial.copy()
        """[J, F]"""
        self.labels = np.zeros(len(initial))
        """[J] that they were fitted to so far"""
        self._precision = np.tile(np.eye(initial.shape[1]) * ridge, (len(initial), 1, 1))  # [J, F, F]
        self._ridge, self._half_life = ridge, half_life

    def logits(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, J] of features [n, F], at most 12 from 0."""
        return (x @ self.weights.T).clip(-MAX_LOGIT, MAX_LOGIT)

    def fit(self, number: int, x: NDArray[np.float64], label: NDArray[np.bool_]) -> None:
        """Take new labels [n] with features [n, F] into one regression; numbers that are not finite change nothing."""
        kept = 0.5 ** (len(label) / self._half_life)
        prior = self.weights[number]
        precision = kept * self._precision[number] + (1 - kept) * self._ridge * np.eye(len(prior))
        w, curvature, loss = prior, precision, _loss(x @ prior, label)
        for _ in range(_NEWTON_STEPS):
            p = sigmoid(x @ w)
            curvature = (x * (p * (1 - p))[:, None]).T @ x + precision
            step = np.linalg.solve(curvature, x.T @ (label - p) - precision @ (w - prior))
            for _ in range(_HALVINGS):  # where the prior is sure and wrong, a full step goes too far
                moved = w + step - prior
                new_loss = _loss(x @ (w + step), label) + moved @ precision @ moved / 2
                if new_loss <= loss:
                    w, loss = w + step, new_loss
                    break
                step = step / 2
        if np.isfinite(w).all() and np.isfinite(curvature).all():
            self.weights[number], self._precision[number] = w, curvature
            self.labels[number] += len(label)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        return {"weights": self.weights.copy(), "precision": self._precision.copy(), "labels": self.labels.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features or another number of regressions."""
        weights, precision = state["weights"], state["precision"]
        if weights.shape != self.weights.shape or precision.shape != self._precision.shape:
            raise ValueError(f"regressions of shape {weights.shape} there, {self.weights.shape} here")
        self.weights, self._precision, self.labels = (
            state[name].astype(np.float64, copy=True) for name in ("weights", "precision", "labels")
        )


def sigmoid(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits."""
    p: NDArray[np.float64] = 1 / (1 + np.exp(-logit.clip(-30, 30)))
    return p


def logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits of probabilities, at most 12 from 0."""
    p = p.clip(1e-9, 1 - 1e-9)
    logits: NDArray[np.float64] = np.log(p / (1 - p)).clip(-MAX_LOGIT, MAX_LOGIT)
    return logits


def _loss(logit: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Negative log-likelihood."""
    return float(np.logaddexp(0, np.where(label, -logit, logit)).sum())

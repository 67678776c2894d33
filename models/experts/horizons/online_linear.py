"""Linear regressions that are fitted label by label, by least squares; older labels fade."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class OnlineLinear:
    """J regressions on F features each; older labels count half after `half_life` newer ones."""

    def __init__(self, regressions: int, features: int, ridge: float, half_life: float) -> None:
        """`ridge`: how firmly weights stay at 0, in labels of features of size 1."""
        self._squares = np.zeros((regressions, features, features))
        self._products = np.zeros((regressions, features))
        self._ridge, self._half_life = ridge, half_life
        self._weights: NDArray[np.float64] | None = None  # [J, F] of what was fitted, once they are asked for

    def fit(self, number: int, x: NDArray[np.float64], label: NDArray[np.float64]) -> None:
        """Take new labels [n] with features [n, F] into one regression."""
        self._weights = None
        kept = 0.5 ** (len(label) / self._half_life)
        self._squares[number] = kept * self._squares[number] + x.T @ x
        self._products[number] = kept * self._products[number] + x.T @ label

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, J] of features [n, F]; 0 before any label."""
        weights = self._weights
        if weights is None:
            ridge = self._ridge * np.eye(self._squares.shape[1])
            weights = np.linalg.solve(self._squares + ridge, self._products[:, :, None])[:, :, 0].astype(np.float64)
            self._weights = weights
        predicted: NDArray[np.float64] = x @ weights.T
        return predicted

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        return {"squares": self._squares.copy(), "products": self._products.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features or another number of regressions."""
        if state["squares"].shape != self._squares.shape:
            raise ValueError(f"regressions of shape {state['squares'].shape} there, {self._squares.shape} here")
        self._weights = None
        self._squares, self._products = (state[name].astype(np.float64, copy=True) for name in ("squares", "products"))

"""Interest over a horizon: a mixture of what comes next, what is popular and what the user had, with learnt shares.

    p_h = Σ_e π_e(f) p_e      π(f) = softmax(L f)

one L for each horizon, of items and of categories. The label is soft: the items, or categories, of all the user's
events within the horizon, each event alike. L is learnt from its log-loss by Adam, once the horizon has passed.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.horizons.horizon_days import HORIZON_DAYS

COMPONENTS: Final = ("next", "popular_1000", "popular_20000", "popular", "recent_profile", "profile")
"""Distribution of the next event; popularity with half-lives of 1 000 and 20 000 events, and undecayed; the user's last
events, those before counting less (.8 for each), and all that the row holds alike"""

RECENT_DECAY: Final = 0.8

INTEREST_FEATURES: Final = 4
"""1, log(1 + events) / 5, log(1 + silent days) / 3, and the largest probability of the next event"""

KINDS: Final = ("item", "category")

# Each event alike, not each user: log-loss and recall@10 of items over 30 days on the later days of `python -m bench
# horizons --choose`, ml-100k 6.507, .158 (each user alike 6.493, .148; popularity 6.625, .156).
_INITIAL: Final = np.array([2.0, 0.0, 0.0, 0.0, -1.0, -1.0])
_MIN_P: Final = 1e-9
_LR: Final = 0.02
_BETAS: Final = (0.9, 0.99)


class InterestGate:
    """Shares of the components for each horizon, of items and of categories."""

    def __init__(self) -> None:
        logits = np.zeros((len(KINDS), len(HORIZON_DAYS), len(COMPONENTS), INTEREST_FEATURES))
        logits[..., 0] = _INITIAL
        self._parameters = {"logits": logits, "mean": np.zeros_like(logits), "square": np.zeros_like(logits)}
        self._steps = np.zeros((len(KINDS), len(HORIZON_DAYS)))

    def shares(self, kind: int, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H, E] π of predictions with features [n, INTEREST_FEATURES]."""
        return self.all_shares(features)[:, kind]

    def all_shares(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, KINDS, H, E] those of items and of categories."""
        weights = self._parameters["logits"]  # [KINDS, H, E, F]
        logits = (features @ weights.reshape(-1, INTEREST_FEATURES).T).reshape(-1, *weights.shape[:-1])
        exp = np.exp(logits - logits.max(3, keepdims=True))
        shares: NDArray[np.float64] = exp / exp.sum(3, keepdims=True)
        return shares

    def learn(
        self,
        kind: int,
        horizon: int,
        features: NDArray[np.float64],
        component_p: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        """A step of Adam on n parts of labels: what each component gave them [n, E], and their weights [n]."""
        share = self.shares(kind, features)[:, horizon]  # [n, E]
        p = (share * component_p).sum(1)
        usable = (p > _MIN_P) & (weight > 0) & np.isfinite(p)
        if not usable.any():
            return
        share, p = share[usable], p[usable, None]
        by_logit = weight[usable, None] * share * (1 - component_p[usable] / p)  # [n, E]
        gradient = by_logit.T @ features[usable] / weight[usable].sum()
        self._steps[kind, horizon] += 1
        step = self._steps[kind, horizon]
        mean, square = (self._parameters[name][kind, horizon] for name in ("mean", "square"))
        mean += (1 - _BETAS[0]) * (gradient - mean)
        square += (1 - _BETAS[1]) * (gradient**2 - square)
        unbiased = mean / (1 - _BETAS[0] ** step), square / (1 - _BETAS[1] ** step)
        self._parameters["logits"][kind, horizon] -= _LR * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        return {name: array.copy() for name, array in self._parameters.items()} | {"steps": self._steps.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other components or horizons."""
        if any(state[name].shape != array.shape for name, array in self._parameters.items()):
            raise ValueError(f"shares of shape {state['logits'].shape} there")
        self._parameters = {name: state[name].astype(np.float64, copy=True) for name in self._parameters}
        self._steps = state["steps"].astype(np.float64, copy=True)

"""Probability of return within each horizon: the network's hazard and chained steps, corrected by counts.

    network   n_h   the logit of the hazard
    step      P(return within a day | silent for s), and within a week: a logistic regression on x and the hazard
    chained   c_h   the logit of 1 - Π (1 - step(s + j)) over the days of a week, or the weeks of a month
    corrected d_h   w_n n_h + w_c c_h + w·x     w_n = w_c = ½ and w = 0 before any label
    p_h = sigmoid(d_h + o)                      o = 0 for a month

x is recency, frequency, age (data/activity.py). A label of a month is due after a month, those of its weeks are due
sooner: chained, they follow a stream that changes, and the last regression corrects what is always wrong about them.
o is by how much the newest labels of a day differ from what d expected of them: where more come back within a day than
before, more will within a week.
Every label is taken in once it is due, with the logits that there were when the question was asked.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.horizons.activity import RECENCY_FEATURES
from models.data.horizons.horizon_days import DAY_S, HORIZON_DAYS, HORIZON_S
from models.experts.horizons.online_logistic import OnlineLogistic, logit, sigmoid

RETURN_EXPERTS: Final = ("network", "chained", "corrected")
_CORRECTED: Final = 2

_DAYS, _WEEKS = np.arange(7.0), np.array([0.0, 7.0, 14.0, 21.0])
STEP_HORIZON: Final = np.repeat([0, 1], [len(_DAYS), len(_WEEKS)])
"""[S] of each step: 0 a day, 1 a week"""
_STEPS: Final = np.arange(len(STEP_HORIZON))
STEP_BEGIN_S: Final[NDArray[np.float64]] = np.concatenate([_DAYS, _WEEKS]) * DAY_S
"""[S] when it begins, from now"""
STEP_END_S: Final[NDArray[np.float64]] = STEP_BEGIN_S + HORIZON_S[STEP_HORIZON]
"""[S]"""

_IN_HORIZON: Final = np.zeros((len(STEP_HORIZON), len(HORIZON_DAYS)))
"""[S, H] how often a step is in a horizon: a month has more than four weeks, the last of which stands for the rest"""
_IN_HORIZON[0, 0] = 1
_IN_HORIZON[STEP_HORIZON == 0, 1] = 1
_IN_HORIZON[STEP_HORIZON == 1, 2] = [1, 1, 1, (HORIZON_DAYS[2] - _WEEKS[3]) / 7]

# Chosen by `python -m bench horizons --choose`. Labels of one month overlap, so that many of them say the same.
# Log-loss with _RIDGE 30, 1000, 2000 and 10 000: MovieLens 100K .359, .342, .340, .343, wikipedia .573, .545, .541,
# .538; with _STEP_RIDGE 10, 30, 100: wikipedia .539, .541, .543.
_STEP_RIDGE: Final = 10.0
_RIDGE: Final = 2_000.0
_HALF_LIFE: Final = 200_000.0
# With the newest labels beside without, log-loss and ECE over a week: wikipedia .537, .011 and .540, .035, ml-100k
# .219, .018 and .218, .014, cdnow alike. Those of a week beside none, log-loss over a month: cdnow .2276 and .2268,
# ml-100k .3403 and .3398.
_NEWEST_HALF_LIFE: Final = 5_000.0
_NEWEST_RIDGE: Final = 200.0
_IS_SHIFTED: Final = np.array([1.0, 1.0, 0.0])
"""[H] whether the newest labels of a day shift the probability"""


class ReturnMixture:
    """Regressions of each horizon, and of each step."""

    def __init__(self) -> None:
        horizons, steps = len(HORIZON_DAYS), int(STEP_HORIZON.max()) + 1
        by_network = np.zeros((steps, RECENCY_FEATURES + 1))
        by_network[:, -1] = 1
        self.steps = OnlineLogistic(by_network, _STEP_RIDGE, _HALF_LIFE)
        by_both = np.zeros((horizons, RECENCY_FEATURES + _CORRECTED))
        by_both[:, RECENCY_FEATURES:] = 1 / _CORRECTED
        self.regressions = OnlineLogistic(by_both, _RIDGE, _HALF_LIFE)
        self._newest = np.zeros(2)
        """Of labels of a day, that fade: how many more came back than d expected, and the variance of that"""

    def logits(
        self, recency: NDArray[np.float64], steps: NDArray[np.float64], network: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """[n, H, 3] of the experts, for features [n, S, RECENCY_FEATURES] when each step begins.

        The network's logits are those of each step [n, S], and of each horizon [n, H].
        """
        weights = self.steps.weights  # [2, F + 1]
        by_counts = (recency @ weights[:, :-1].T)[:, _STEPS, STEP_HORIZON]
        step = by_counts + steps * weights[STEP_HORIZON, -1]
        silent = -np.logaddexp(0, step) @ _IN_HORIZON  # log P(no event)
        chained = logit(-np.expm1(silent))
        weights = self.regressions.weights  # [H, F + 2]
        by_both = network * weights[:, RECENCY_FEATURES] + chained * weights[:, -1]
        return np.stack([network, chained, recency[:, 0] @ weights[:, :RECENCY_FEATURES].T + by_both], 2)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H] of the experts' logits [n, H, 3]; a longer horizon is never less probable."""
        more, variance = self._newest
        shift = more / (variance + _NEWEST_RIDGE) * _IS_SHIFTED
        p: NDArray[np.float64] = np.maximum.accumulate(sigmoid(logits[:, :, _CORRECTED] + shift), axis=1)
        return p

    def fit(
        self, horizon: int, recency: NDArray[np.float64], logits: NDArray[np.float64], returned: NDArray[np.bool_]
    ) -> None:
        """Take in labels [n] of a horizon, with features and logits [n, 3] as they were when they were asked for."""
        if horizon == 0:
            expected = sigmoid(logits[:, _CORRECTED])
            kept = 0.5 ** (len(returned) / _NEWEST_HALF_LIFE)
            self._newest = kept * self._newest + [(returned - expected).sum(), (expected * (1 - expected)).sum()]
        self.regressions.fit(horizon, np.column_stack([recency, logits[:, :_CORRECTED]]), returned)
        if horizon < len(self.steps.weights):
            self.steps.fit(horizon, np.column_stack([recency, logits[:, 0]]), returned)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        parts = {
            f"{name}.{key}": array
            for name in ("steps", "regressions")
            for key, array in getattr(self, name).state().items()
        }
        return parts | {"newest": self._newest.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features or horizons."""
        for name in ("steps", "regressions"):
            prefix = f"{name}."
            part = {key.removeprefix(prefix): array for key, array in state.items() if key.startswith(prefix)}
            getattr(self, name).restore(part)
        self._newest = state["newest"].astype(np.float64, copy=True)

"""What kinds of events a user will have within each horizon, and what they will spend.

P(an event of a type) is a logistic regression on recency, frequency, age and the hazard's logit; spending is that of a
purchase times what users who purchase spend, a linear regression on what the user's events were worth so far. Both are
fitted label by label, as these come due.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.event_types import EVENT_TYPES, type_index
from models.data.horizons.activity import MEAN_VALUE, RECENCY_FEATURES, mean_value_of
from models.data.horizons.horizon_days import HORIZON_DAYS
from models.experts.horizons.online_linear import OnlineLinear
from models.experts.horizons.online_logistic import OnlineLogistic, sigmoid

_RIDGE: Final = 1.0
_HALF_LIFE: Final = 60_000.0
_INITIAL_LOGIT: Final = -4.0
_LOG_EVENTS: Final = 2
"""Of the recency features"""
PURCHASE: Final = type_index("purchase")


class EventForecast:
    """Regressions of each horizon."""

    def __init__(self) -> None:
        horizons = len(HORIZON_DAYS)
        initial = np.zeros((horizons * len(EVENT_TYPES), RECENCY_FEATURES + 1))
        initial[:, 0] = _INITIAL_LOGIT
        self._types = OnlineLogistic(initial, _RIDGE, _HALF_LIFE)
        self._spending = OnlineLinear(horizons, 3, _RIDGE, _HALF_LIFE)

    def type_p(self, recency: NDArray[np.float64], network: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H, T] probability of at least one event of each type; 0 of types that never came.

        Of features [n, RECENCY_FEATURES] and the hazard's logits [n, H]; it does not fall from one horizon to the next.
        """
        weights, shape = self._types.weights, (len(HORIZON_DAYS), len(EVENT_TYPES))
        logits = (recency @ weights[:, :-1].T).reshape(-1, *shape)
        logits += network[:, :, None] * weights[:, -1].reshape(shape)
        is_known = self._types.labels.reshape(shape) > 0
        p: NDArray[np.float64] = np.maximum.accumulate(sigmoid(logits) * is_known, axis=1)
        return p

    def spending(self, recency: NDArray[np.float64], type_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, H] expected sum of the values of purchases, of features and `type_p`."""
        amount = np.maximum(self._spending.predict(_spending_features(recency)), 0)
        spent: NDArray[np.float64] = np.maximum.accumulate(type_p[:, :, PURCHASE] * amount, axis=1)
        return spent

    def fit(
        self,
        horizon: int,
        recency: NDArray[np.float64],
        network: NDArray[np.float64],
        types: NDArray[np.bool_],
        spent: NDArray[np.float64],
    ) -> None:
        """Take in labels of a horizon: which types came [n, T], and what was spent [n]."""
        x = np.column_stack([recency, network])
        for kind in range(len(EVENT_TYPES)):
            number = horizon * len(EVENT_TYPES) + kind
            if self._types.labels[number] or types[:, kind].any():
                self._types.fit(number, x, types[:, kind])
        bought = np.flatnonzero(types[:, PURCHASE] & np.isfinite(spent))
        if len(bought):
            self._spending.fit(horizon, _spending_features(recency[bought]), spent[bought])

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copy of everything."""
        types = {f"types.{name}": array for name, array in self._types.state().items()}
        return types | {f"spending.{name}": array for name, array in self._spending.state().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has other features, types or horizons."""
        for prefix, part in (("types.", self._types), ("spending.", self._spending)):
            part.restore({name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)})


def _spending_features(recency: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, 3] what the user's events were worth so far, alone and by how many they were."""
    value = mean_value_of(recency[:, MEAN_VALUE])
    return np.column_stack([np.ones(len(value)), value, value * recency[:, _LOG_EVENTS]])

"""Logistic regression on recency, frequency and age."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.horizons.questions import Questions
from models.data.horizons.horizon_days import DAY_S
from models.experts.horizons.online_logistic import OnlineLogistic, sigmoid

_RIDGE = 1.0


class RecencyFrequency:
    """Fitted once to the training questions."""

    def __init__(self, training: Questions, horizon_s: float) -> None:
        x = _features(training)
        self._regression = OnlineLogistic(np.zeros((1, x.shape[1])), _RIDGE, np.inf)
        self._regression.fit(0, x, training.returned(horizon_s))

    def return_p(self, questions: Questions) -> NDArray[np.float64]:
        """[n] probability of an event within the horizon."""
        return sigmoid(self._regression.logits(_features(questions)))[:, 0]


def _features(questions: Questions) -> NDArray[np.float64]:
    recency, age = np.log1p(questions.silent_s / DAY_S), np.log1p(questions.age_s / DAY_S)
    frequency = np.log(questions.events)
    columns = [
        np.ones(len(questions)),
        recency,
        frequency,
        age,
        recency * frequency,
        recency * age,
        frequency * age,
        recency**2,
        frequency**2,
        age**2,
        questions.events == 1,
    ]
    return np.column_stack(columns).astype(np.float64)

"""The user's own gaps: which share of them is longer than the silence, made a probability on the training days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.horizons.baselines.kaplan_meier import SurvivalCurve
from bench.horizons.questions import Gaps, Questions
from models.data.event_log import EventLog
from models.experts.horizons.online_logistic import OnlineLogistic, logit, sigmoid

_OTHERS = 1.0
"""Gaps of all users that count as the user's own: of a first event there are no others"""


class GapQuantile:
    """Fitted once to the training questions."""

    def __init__(self, log: EventLog, training: Questions, horizon_s: float) -> None:
        self._log = log
        x = self._features(training)
        self._regression = OnlineLogistic(np.zeros((1, x.shape[1])), 1.0, np.inf)
        self._regression.fit(0, x, training.returned(horizon_s))

    def return_p(self, questions: Questions) -> NDArray[np.float64]:
        """[n] probability of an event within the horizon."""
        return sigmoid(self._regression.logits(self._features(questions)))[:, 0]

    def _features(self, questions: Questions) -> NDArray[np.float64]:
        longer = np.zeros(len(questions))
        for time_ms in np.unique(questions.time_ms).tolist():
            asked = np.flatnonzero(questions.time_ms == time_ms)
            gaps = Gaps.until(self._log, time_ms)
            silent = np.zeros(int(questions.user.max()) + 1)
            silent[questions.user[asked]] = questions.silent_s[asked]
            of_user = gaps.is_observed & (gaps.user < len(silent))
            user = gaps.user[of_user]
            count = np.bincount(user, minlength=len(silent))[questions.user[asked]]
            above = np.bincount(user, gaps.gap_s[of_user] > silent[user], len(silent))[questions.user[asked]]
            others = SurvivalCurve(gaps.gap_s, gaps.is_observed).survival_of(questions.silent_s[asked])
            longer[asked] = (above + _OTHERS * others) / (count + _OTHERS)
        return np.column_stack([np.ones(len(longer)), logit(longer.clip(1e-3, 1 - 1e-3))])

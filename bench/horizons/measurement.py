"""Return within a log's horizon: the model's predictions and those of the baselines, on the same questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.horizons import metrics
from bench.horizons.baselines.bg_nbd import BgNbd
from bench.horizons.baselines.gap_quantile import GapQuantile
from bench.horizons.baselines.kaplan_meier import KaplanMeier
from bench.horizons.baselines.recency_frequency import RecencyFrequency
from bench.horizons.logs import HorizonLog
from bench.horizons.model_scorer import Asked
from bench.horizons.questions import Gaps, Questions
from models.data.event_types import type_index
from models.data.horizons.horizon_days import DAY_S, HORIZON_DAYS

MODEL: Final = "model"

ReturnP = Callable[[Questions], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Probabilities of one scorer, for the training questions and for those that are scored."""

    training: NDArray[np.float64]
    test: NDArray[np.float64]


class ReturnMeasurement:
    """Questions of one log, with labels, and what each scorer predicted."""

    def __init__(self, log: HorizonLog) -> None:
        self.log = log
        self.horizon_s = float(log.schedule.horizon_days * DAY_S)
        self.training = _ask_all(log, log.training_ms)
        self.test = _ask_all(log, log.test_ms)
        self.predicted: dict[str, Predicted] = {}
        """By scorer"""
        self._spent = np.zeros(len(self.test))  # expected by the model

    @property
    def labels(self) -> NDArray[np.bool_]:
        """[n] of the questions that are scored."""
        return self.test.returned(self.horizon_s)

    def fit_baselines(self) -> dict[str, Callable[[], ReturnP]]:
        """Baselines by name, each fitted when called, to the training days and what was known at their end."""
        log, training, horizon_s = self.log.events, self.training, self.horizon_s
        known_ms = int(self.log.training_ms[-1] + 1000 * horizon_s)
        return {
            "recency_frequency": lambda: RecencyFrequency(training, horizon_s).return_p,
            "gap_quantile": lambda: GapQuantile(log, training, horizon_s).return_p,
            "kaplan_meier": lambda: KaplanMeier(Gaps.until(log, known_ms), horizon_s).return_p,
            "bg_nbd": lambda: BgNbd(Questions.ask(log, known_ms), horizon_s).return_p,
        }

    def add(self, name: str, return_p: ReturnP) -> None:
        """Let a fitted scorer predict all questions."""
        self.predicted[name] = Predicted(return_p(self.training), return_p(self.test))

    def add_model(self, asked: list[Asked]) -> None:
        """The model's predictions at the times of all questions."""
        horizon = HORIZON_DAYS.index(self.log.schedule.horizon_days)
        by_time = {answer.time_ms: answer.return_p[:, horizon].astype(np.float64) for answer in asked}
        spent = {answer.time_ms: answer.spent[:, horizon].astype(np.float64) for answer in asked}
        self._spent = np.concatenate([spent[time_ms] for time_ms in np.unique(self.test.time_ms).tolist()])

        def return_p(questions: Questions) -> NDArray[np.float64]:
            return np.concatenate([by_time[time_ms] for time_ms in np.unique(questions.time_ms).tolist()])

        self.add(MODEL, return_p)

    def spending(self) -> dict[str, dict[str, float]]:
        """Errors of what users are expected to spend within the horizon, beside an average of the training days.

        That is recency and frequency's probability of return times the mean spending of who returned. Empty where the
        log has no purchases.
        """
        if not (self.log.events.type == type_index("purchase")).any() or "recency_frequency" not in self.predicted:
            return {}
        training, actual = (self._actual_spending(questions) for questions in (self.training, self.test))
        mean = training.sum() / max(int(self.training.returned(self.horizon_s).sum()), 1)
        predicted = {MODEL: self._spent, "average": mean * self.predicted["recency_frequency"].test}
        return {
            name: {
                "mae": round(float(np.abs(spent - actual).mean()), 4),
                "rmse": round(float(np.sqrt(((spent - actual) ** 2).mean())), 4),
                "total_ratio": round(float(spent.sum() / max(actual.sum(), 1e-9)), 4),
            }
            for name, spent in predicted.items()
        }

    def _actual_spending(self, questions: Questions) -> NDArray[np.float64]:
        """[n] what the users of questions spent within the horizon."""
        events, spent = self.log.events, np.zeros(len(questions))
        users = int(events.user.max()) + 1
        value = np.where(events.type == type_index("purchase"), np.nan_to_num(events.value), 0)
        for time_ms in np.unique(questions.time_ms).tolist():
            span = (events.time_ms > time_ms) & (events.time_ms <= time_ms + 1000 * self.horizon_s)
            by_user = np.bincount(events.user[span], value[span], users)
            asked = questions.time_ms == time_ms
            spent[asked] = by_user[questions.user[asked]]
        return spent

    def figures(self) -> dict[str, dict[str, float]]:
        """Metrics by scorer; the threshold of decisions is the best of F1 on the training questions."""
        training = self.training.returned(self.horizon_s)
        return {
            name: metrics.figures(p.test, self.labels, metrics.f1_threshold(p.training, training))
            for name, p in self.predicted.items()
        }


def _ask_all(log: HorizonLog, times_ms: NDArray[np.int64]) -> Questions:
    return Questions.concatenate([Questions.ask(log.events, time_ms) for time_ms in times_ms.tolist()])

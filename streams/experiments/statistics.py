"""Statistics of one experiment: moments of each arm and metric, and the users that came into each arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.data.growable_array import FIRST_ROWS, grown
from models.experiments.moments import BEFORE, COLUMNS, DECISIONS, ONE, REWARD, FloatArray, products
from streams.schema.decisions.experiment import Experiment
from streams.schema.decisions.reward import Reward

_FEEDBACK: Final = "feedback."


def metric_value(metric: str, reward: Reward) -> float:
    """The metric of one decision."""
    if metric == "reward":
        return reward.reward
    if metric == "no_feedback":
        return 0.0 if reward.feedback else 1.0
    return float(reward.feedback.get(metric.removeprefix(_FEEDBACK), 0))


class ExperimentStatistics:
    """Sums over users and their decisions. A user belongs to the arm that was first seen."""

    def __init__(self, experiment: Experiment) -> None:
        self.arm_index = {arm.name: index for index, arm in enumerate(experiment.arms)}
        self.metrics: Sequence[str] = tuple(
            dict.fromkeys([experiment.metric, *(guardrail.metric for guardrail in experiment.guardrails)])
        )
        """The first is the one that decides"""
        self.moments: FloatArray = np.zeros((len(self.metrics), len(self.arm_index), COLUMNS, COLUMNS))
        self.exposed = [0] * len(self.arm_index)
        """Users by arm"""
        self.ratio_users = [0] * len(self.arm_index)
        """Likewise, of those who came before an arm was stopped"""
        self.newest_ms = 0
        """Time of the newest decision that is counted"""
        self.moved = 0
        """Decisions left out: their user had been in another arm"""
        self._arm_of: dict[str, int] = {}
        self._index: dict[str, int] = {}
        self._rows = np.zeros((FIRST_ROWS, len(self.metrics), COLUMNS))

    def expose(self, user_id: str, arm: str, *, all_arms_ran: bool) -> None:
        """An arm has decided for the user."""
        index = self.arm_index.get(arm)
        if index is not None and user_id not in self._arm_of:
            self._arm_of[user_id] = index
            self.exposed[index] += 1
            if all_arms_ran:
                self.ratio_users[index] += 1

    def add(self, reward: Reward, covariate: float) -> None:
        """Counts the reward of a decision; the covariate of a user is that of the user's first."""
        arm = self._arm_of.get(reward.user_id)
        if arm is None or arm != self.arm_index.get(reward.arm):
            self.moved += 1
            return
        index = self._index.setdefault(reward.user_id, len(self._index))
        self._rows = grown(self._rows, index + 1)
        row = self._rows[index]  # [M, 4]
        before = products(row)  # 0 of a new user
        if not row[0, ONE]:
            row[:, ONE] = 1.0
            row[:, BEFORE] = covariate
        row[:, DECISIONS] += 1
        row[:, REWARD] += [metric_value(metric, reward) for metric in self.metrics]
        self.moments[:, arm] += products(row) - before
        self.newest_ms = max(self.newest_ms, reward.time)

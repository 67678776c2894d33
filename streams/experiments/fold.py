"""Fold: all experiments, from the records of their topics alone: whoever reads the same has the same results.

Rewards are counted in the order of their decisions, over all partitions, so that the history of an experiment that is
read again is as it was.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec

from streams.experiments.baseline import Baseline
from streams.experiments.conclusions import Looks, look
from streams.experiments.result import ExperimentResult
from streams.experiments.reward_order import Horizon, RewardOrder, order_key
from streams.experiments.statistics import ExperimentStatistics
from streams.schema.decisions.experiment import Experiment
from streams.schema.decisions.reward import Reward

_MOST_WAITING: Final = 10_000


class Exposure(msgspec.Struct, gc=False):
    """The fields of a decision that say who was in which arm."""

    user_id: str
    time: int
    experiment: str = ""
    arm: str = ""


@dataclass(slots=True)
class _Folded:
    experiment: Experiment
    statistics: ExperimentStatistics
    looks: Looks = field(default_factory=Looks)

    def all_arms_ran(self, time_ms: int) -> bool:
        stops = [self.experiment.stopped_at, *(arm.stopped_at for arm in self.experiment.arms)]
        return all(stop is None or time_ms < stop for stop in stops)


class ExperimentFold:
    """Records of each topic and partition are added in their order, those of different ones in any order."""

    def __init__(self) -> None:
        self._horizon = Horizon()
        self._folded: dict[str, _Folded] = {}
        self._orders: dict[int, RewardOrder] = {}
        self._baseline = Baseline()
        self._waiting: list[Exposure | tuple[Reward, float]] = []
        """Of experiments that are not known yet: their record is in another topic, and may be read later"""

    @property
    def experiments(self) -> dict[str, Experiment]:
        """Those that are known, by name."""
        return {name: folded.experiment for name, folded in self._folded.items()}

    def put(self, name: str, experiment: Experiment | None) -> None:
        """The newest record of an experiment; None: it was deleted. One that begins anew is counted anew."""
        if experiment is None:
            self._folded.pop(name, None)
            return
        known = self._folded.get(name)
        if known is not None and _counts_the_same(known.experiment, experiment):
            known.experiment = experiment
            return
        self._folded[name] = _Folded(experiment, ExperimentStatistics(experiment))
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            if isinstance(record, Exposure):
                self.add_exposure(record)
            else:
                self._count(*record)

    def add_exposure(self, exposure: Exposure) -> None:
        """A decision."""
        if not exposure.experiment:
            return
        if (folded := self._folded.get(exposure.experiment)) is None:
            self._wait(exposure)
            return
        folded.statistics.expose(exposure.user_id, exposure.arm, all_arms_ran=folded.all_arms_ran(exposure.time))

    def add_reward(self, partition: int, reward: Reward) -> None:
        """The next record of a partition of the rewards, which `settle` counts."""
        order = self._orders.setdefault(partition, RewardOrder())
        self._horizon.observe(reward)
        order.add(reward)

    def advance(self, now_ms: int) -> None:
        """Time has passed, and all that was written before has been added."""
        for order in self._orders.values():
            order.close(now_ms - self._horizon.ms)
        self.settle()

    def settle(self, behind: Collection[int] = ()) -> None:
        """Counts the rewards whose decisions are closed; `behind` are partitions of which older ones may still come."""
        closed = (self._orders[part].closed_ms if part in self._orders else 0 for part in behind)
        until_ms = min(closed, default=math.inf)
        due = (order.due(until_ms) for order in self._orders.values())
        for reward in heapq.merge(*due, key=order_key):
            if reward.experiment:
                self._count(reward, self._baseline.covariate(reward.user_id))
            self._baseline.add(reward)

    def results(self) -> dict[str, ExperimentResult]:
        """All experiments, by name."""
        return {name: self._look(folded) for name, folded in self._folded.items()}

    def _count(self, reward: Reward, covariate: float) -> None:
        if (folded := self._folded.get(reward.experiment)) is None:
            self._wait((reward, covariate))
            return
        # Exposures and rewards are read from different topics, in any order.
        folded.statistics.expose(reward.user_id, reward.arm, all_arms_ran=folded.all_arms_ran(reward.time))
        folded.statistics.add(reward, covariate)
        if folded.statistics.newest_ms >= folded.looks.next_ms:
            self._look(folded)

    def _look(self, folded: _Folded) -> ExperimentResult:
        return look(folded.experiment, folded.statistics, folded.looks)

    def _wait(self, record: Exposure | tuple[Reward, float]) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(record)


def _counts_the_same(one: Experiment, other: Experiment) -> bool:
    """Whether what was counted for one is right for the other."""

    def counted(experiment: Experiment) -> tuple[object, ...]:
        arms = [(arm.name, arm.weight, arm.policy, arm.recipe, arm.parameters) for arm in experiment.arms]
        metrics = [guardrail.metric for guardrail in experiment.guardrails]
        return experiment.created_at, experiment.salt, experiment.metric, metrics, arms

    return counted(one) == counted(other)

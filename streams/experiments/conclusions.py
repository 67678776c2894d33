"""Conclusions: what the statistics of an experiment say at a look, and what they have said at those before."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from models.experiments.comparison import Comparison, compare
from models.experiments.confidence_sequence import difference, interval, mixture_rate
from models.experiments.guardrails import Bound
from models.experiments.moments import ONE, Estimate, estimate
from models.experiments.msprt import always_valid_p
from models.experiments.sample_ratio import log_bayes_factor
from streams.experiments.result import ArmPoint, ArmResult, ExperimentResult, GuardrailResult, PointInTime, SampleRatio
from streams.experiments.statistics import ExperimentStatistics
from streams.schema.decisions.experiment import Arm, Experiment

_MOST_POINTS: Final = 120
_FIRST_INTERVAL_MS: Final = 1000


@dataclass(slots=True)
class Looks:
    """What earlier looks have found: it stays found, since all looks together err alpha at most."""

    log_ratio: dict[str, float] = field(default_factory=dict)  # by arm, the largest
    sample_evidence: float = 0.0  # the largest
    winner: str | None = None
    decided_at: int | None = None
    history: list[PointInTime] = field(default_factory=list)
    interval_ms: int = _FIRST_INTERVAL_MS

    @property
    def next_ms(self) -> int:
        """When the next point of the history is due."""
        return self.history[-1].time + self.interval_ms if self.history else 0


def look(experiment: Experiment, statistics: ExperimentStatistics, looks: Looks) -> ExperimentResult:
    """The result now; `looks` is brought up to date."""
    comparison = compare(
        statistics.moments[0],
        control=experiment.control_index,
        alpha=experiment.alpha,
        expected_users=experiment.expected_users,
        min_users=experiment.min_users,
        active=[arm.stopped_at is None for arm in experiment.arms],
    )
    for arm, compared in zip(experiment.arms, comparison.arms, strict=True):
        looks.log_ratio[arm.name] = max(looks.log_ratio.get(arm.name, 0.0), compared.log_ratio)
    if comparison.winner is not None:
        winner = experiment.arms[comparison.winner].name
        if winner != looks.winner:
            looks.winner, looks.decided_at = winner, statistics.newest_ms
    evidence = log_bayes_factor(statistics.ratio_users, [arm.weight for arm in experiment.arms])
    looks.sample_evidence = max(looks.sample_evidence, evidence)
    _keep_history(statistics, comparison, looks)
    p_value = always_valid_p(looks.sample_evidence)
    return ExperimentResult(
        name=experiment.name,
        state="running" if experiment.stopped_at is None else "stopped",
        created_at=experiment.created_at,
        stopped_at=experiment.stopped_at,
        stopped_because=experiment.stopped_because,
        metric=experiment.metric,
        control=experiment.control,
        traffic=experiment.traffic,
        holdout=experiment.holdout,
        alpha=experiment.alpha,
        expected_users=experiment.expected_users,
        min_users=experiment.min_users,
        arms=[_arm(experiment, statistics, comparison, looks, index, arm) for index, arm in enumerate(experiment.arms)],
        winner=looks.winner,
        decided_at=looks.decided_at,
        sample_ratio=SampleRatio(p_value=p_value, is_right=p_value > experiment.alpha),
        variance_ratio=comparison.variance_ratio,
        history=list(looks.history),
    )


def _arm(
    experiment: Experiment,
    statistics: ExperimentStatistics,
    comparison: Comparison,
    looks: Looks,
    index: int,
    arm: Arm,
) -> ArmResult:
    compared, moments = comparison.arms[index], statistics.moments[0, index]
    is_control = index == experiment.control_index
    return ArmResult(
        name=arm.name,
        weight=arm.weight,
        policy=arm.policy,
        recipe=arm.recipe,
        parameters=arm.parameters,
        state="running" if arm.stopped_at is None and experiment.stopped_at is None else "stopped",
        stopped_at=arm.stopped_at,
        stopped_because=arm.stopped_because,
        exposed=statistics.exposed[index],
        users=round(moments[ONE, ONE]),
        decisions=round(moments[ONE, 1]),
        mean=_finite(compared.mean),
        low=_finite(compared.low),
        high=_finite(compared.high),
        difference=None if is_control else _finite(compared.difference),
        difference_low=None if is_control else _finite(compared.difference_low),
        difference_high=None if is_control else _finite(compared.difference_high),
        p_value=None if is_control else always_valid_p(looks.log_ratio[arm.name]),
        guardrails=[] if is_control else guardrail_results(experiment, statistics, index),
    )


def guardrail_results(experiment: Experiment, statistics: ExperimentStatistics, arm: int) -> list[GuardrailResult]:
    """The guardrails of an arm that is not the control; alpha is divided among those of all arms."""
    results = []
    alpha = experiment.alpha / max(1, len(experiment.guardrails) * (len(experiment.arms) - 1))
    rate = mixture_rate(alpha, experiment.expected_users)
    for guardrail in experiment.guardrails:
        of = estimate(statistics.moments[statistics.metrics.index(guardrail.metric)])
        one, control = (
            Estimate(of.mean[index], of.variance[index], of.users[index]) for index in (arm, experiment.control_index)
        )
        low, high = (float(end) for end in interval(difference(one, control), alpha, rate))
        if min(one.users, control.users) < experiment.min_users:
            low, high = -math.inf, math.inf
        results.append(
            GuardrailResult(
                metric=guardrail.metric,
                harm=guardrail.harm,
                allowed=guardrail.allowed,
                mean=_finite(float(one.mean)),
                low=_finite(low),
                high=_finite(high),
                is_crossed=Bound(guardrail.harm, guardrail.allowed).is_crossed(low, high),
            )
        )
    return results


def _keep_history(statistics: ExperimentStatistics, comparison: Comparison, looks: Looks) -> None:
    if not statistics.newest_ms or statistics.newest_ms < looks.next_ms:
        return
    looks.history.append(
        PointInTime(
            time=statistics.newest_ms,
            arms=[
                ArmPoint(
                    users=round(statistics.moments[0, index, ONE, ONE]),
                    mean=_finite(compared.mean),
                    low=_finite(compared.low),
                    high=_finite(compared.high),
                )
                for index, compared in enumerate(comparison.arms)
            ],
        )
    )
    if len(looks.history) > _MOST_POINTS:
        looks.history = looks.history[::2]
        looks.interval_ms *= 2


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

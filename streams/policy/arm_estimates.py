"""Estimates of arms on logged decisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.policy.off_policy.intervals import Estimate, estimate
from models.policy.off_policy.logged_rewards import LoggedRewards
from models.policy.successive import SuccessiveChoice
from streams.errors import ExperimentError
from streams.experiments.result import ArmEstimate, Interval
from streams.policy.logged_topics import Logged
from streams.policy.off_policy import LoggedDecisions, estimates
from streams.schema.decisions.experiment import Arm

LOGGED = "logged"


def estimate_arms(logged: Logged, arms: Sequence[Arm]) -> list[ArmEstimate]:
    """What was earned, then the arms in their order. Raises ExperimentError, SettingsError for what cannot decide here.

    Policies are as they were published last: one that has learnt from these rewards looks somewhat better than it is.
    """
    arm_estimates = [_result(LOGGED, {"mean": _mean(logged.decisions)})]
    for arm in arms:
        if arm.recipe:
            raise ExperimentError(f"arm {arm.name}: what another recipe would have predicted is not in the log")
        policy = logged.policies.of(arm.policy, arm.parameters)
        if not isinstance(policy, SuccessiveChoice):
            raise ExperimentError(f"arm {arm.name}: the policy {policy.name} gives no probabilities to estimate by")
        arm_estimates.append(_result(arm.name, estimates(policy, logged.decisions)))
    return arm_estimates


def _mean(decisions: LoggedDecisions) -> Estimate:
    """With its bootstrap interval: the estimate of the policy that was logged."""
    propensities, nothing = decisions.slates.propensities, np.zeros(decisions.rewards.shape)
    same = LoggedRewards(decisions.rewards, propensities, propensities, nothing, nothing, decisions.users)
    return estimate("ips", same, np.random.default_rng(0))


def _result(name: str, by_estimator: dict[str, Estimate]) -> ArmEstimate:
    return ArmEstimate(
        name=name,
        estimates={
            key: Interval(value=interval.value, low=interval.low, high=interval.high)
            for key, interval in by_estimator.items()
        },
        effective_decisions=next(iter(by_estimator.values())).effective_sample_size,
    )

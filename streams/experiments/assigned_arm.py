"""Which arm of which experiment a user is in: what every process that decides computes alike."""

from __future__ import annotations

from models.experiments.assignment import Assignment
from streams.schema.decisions.experiment import Arm, Experiment


def assigned_arm(experiment: Experiment, user_id: str) -> Arm | None:
    """The arm whose policy and parameters decide for the user.

    None for a user who takes no part: by the experiment's traffic or holdout, because it is stopped, or because the
    user's arm is. Such a decision is made as usual, and names no experiment.
    """
    if experiment.stopped_at is not None:
        return None
    weights = [arm.weight for arm in experiment.arms]
    index = Assignment(experiment.salt, weights, experiment.traffic, experiment.holdout).arm(user_id)
    arm = None if index is None else experiment.arms[index]
    return None if arm is None or arm.stopped_at is not None else arm

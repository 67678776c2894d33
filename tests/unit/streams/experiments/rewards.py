"""Experiments and rewards as the topics hold them."""

from __future__ import annotations

import itertools
from typing import Any

from streams.schema.decisions.experiment import Arm, Experiment
from streams.schema.decisions.reward import Reward

HORIZON_MS = 60_000
START_MS = 1_731_900_000_000
_ids = itertools.count()


def experiment(name: str = "e", **fields: Any) -> Experiment:
    """Of the arms a and b; anything else may be given."""
    values = {
        "created_at": START_MS,
        "arms": (Arm(name="a"), Arm(name="b", policy="thompson")),
        "control": "a",
        "salt": name,
        "min_users": 20,
        "expected_users": 400,
    }
    return Experiment(name=name, **{**values, **fields})


def reward(user_id: str, value: float, *, time: int = START_MS, **fields: Any) -> Reward:
    """Of a decision in no experiment, unless `experiment` and `arm` are given; closed at the horizon."""
    values: dict[str, Any] = {
        "decision_id": f"d{next(_ids)}",
        "closed_at": time + HORIZON_MS,
        "closed": "horizon",
        "policy": "greedy",
        "policy_version": 0,
        "slate": ("i1",),
        "propensities": (1.0,),
        "rewards": (value,),
        "feedback": {"click": 1} if value else {},
    }
    return Reward(user_id=user_id, time=time, reward=value, **{**values, **fields})

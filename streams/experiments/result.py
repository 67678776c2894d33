"""What an experiment has shown, as the commands print it and the HTTP API answers it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from streams.schema.decisions.experiment import Parameter

State = Literal["running", "stopped"]


class GuardrailResult(BaseModel):
    """A guardrail of an arm: the metric per decision, and its difference from the control's."""

    metric: str
    harm: Literal["decrease", "increase"]
    allowed: float
    mean: float | None
    low: float | None
    """Of the difference from the control; null while it may be anything"""
    high: float | None
    is_crossed: bool


class ArmResult(BaseModel):
    """An arm: its users, its metric per decision with a confidence sequence, and the difference from the control."""

    name: str
    weight: float
    policy: str
    recipe: str
    parameters: dict[str, Parameter]
    state: State
    stopped_at: int | None
    stopped_because: str
    exposed: int
    """Users for whom it has decided"""
    users: int
    """Of them, those with a reward"""
    decisions: int
    """With a reward"""
    mean: float | None
    low: float | None
    """Null, as `high`, while there are too few users"""
    high: float | None
    difference: float | None
    """From the control; null of the control itself"""
    difference_low: float | None
    difference_high: float | None
    p_value: float | None
    """Of no difference from the control, by mSPRT; it holds at whatever time one looks"""
    guardrails: list[GuardrailResult]


class ArmPoint(BaseModel):
    """An arm at a time."""

    users: int
    mean: float | None
    low: float | None
    high: float | None


class PointInTime(BaseModel):
    """All arms, in their order, by what was decided until then."""

    time: int
    arms: list[ArmPoint]


class SampleRatio(BaseModel):
    """Whether as many users came into each arm as its weight says."""

    p_value: float
    """It holds at whatever time one looks"""
    is_right: bool


class Interval(BaseModel):
    """An estimate of the reward per decision, with its 95 % interval."""

    value: float
    low: float
    high: float


class ArmEstimate(BaseModel):
    """What an arm would have earned per decision on what was logged; of `logged` what was earned."""

    name: str
    estimates: dict[str, Interval]
    """By estimator: `mean` of what was logged, else `ips`, `snips`, `clipped`, `dr` and `switch_dr`"""
    effective_decisions: float
    """Decisions of the arm itself that would tell as much"""


class ExperimentResult(BaseModel):
    """An experiment and all that is concluded so far; every interval and p-value holds at whatever time one looks."""

    name: str
    state: State
    created_at: int
    stopped_at: int | None
    stopped_because: str
    metric: str
    control: str
    traffic: float
    holdout: float
    alpha: float
    expected_users: int
    min_users: int
    arms: list[ArmResult]
    winner: str | None
    """The arm that is better than each other"""
    decided_at: int | None
    """Time of the decisions by which that was first certain"""
    sample_ratio: SampleRatio
    variance_ratio: float
    """Variance with CUPED, divided by the one without it"""
    history: list[PointInTime]

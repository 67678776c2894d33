"""Routes of experiments: which there are, and what each has shown."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.experiments.result import ExperimentResult, State
from streams.schema.decisions.experiment import NAME
from streams.web.http.answers import NOT_MODIFIED, answer
from streams.web.http.problems import Problem
from streams.web.services import Services


class ArmSummary(BaseModel):
    """An arm: its users, and its metric per decision with a confidence sequence, null while there are too few."""

    name: str
    state: State
    users: int
    mean: float | None
    low: float | None
    high: float | None


class ExperimentSummary(BaseModel):
    """An experiment, and whether it is decided."""

    name: str
    state: State
    created_at: int
    metric: str
    control: str
    arms: list[ArmSummary]
    winner: str | None
    is_sample_ratio_right: bool
    """Whether as many users came into each arm as its weight says"""


class Experiments(BaseModel):
    """All of them, the newest first."""

    experiments: list[ExperimentSummary]


def experiment_routes(services: Services) -> APIRouter:
    """`/v1/experiments`."""
    follower = services.follower.experiments
    router = APIRouter(tags=["experiments"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/experiments", response_model=Experiments, responses=NOT_MODIFIED)
    def experiments(request: Request) -> Response:
        """Experiments that run, and those that did."""
        newest_first = sorted(follower.results.values(), key=lambda result: (-result.created_at, result.name))
        return answer(request, Experiments(experiments=[_summary(result) for result in newest_first]))

    @router.get("/v1/experiments/{name}", response_model=ExperimentResult, responses=NOT_MODIFIED)
    def experiment(
        request: Request,
        name: Annotated[str, Path(pattern=NAME, max_length=100, description="The experiment's name.")],
    ) -> Response:
        """What an experiment has shown so far; its intervals and p-values hold at whatever time one looks."""
        if (result := follower.results.get(name)) is None:
            raise Problem(404, f"there is no experiment {name!r}")
        return answer(request, result)

    return router


def _summary(result: ExperimentResult) -> ExperimentSummary:
    return ExperimentSummary(
        name=result.name,
        state=result.state,
        created_at=result.created_at,
        metric=result.metric,
        control=result.control,
        arms=[
            ArmSummary(name=arm.name, state=arm.state, users=arm.users, mean=arm.mean, low=arm.low, high=arm.high)
            for arm in result.arms
        ],
        winner=result.winner,
        is_sample_ratio_right=result.sample_ratio.is_right,
    )

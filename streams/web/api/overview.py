"""Routes of the whole: rates, latency, lag, workers, partitions; and what this request may do."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.http.access import ROLES, Role
from streams.web.http.answers import NOT_MODIFIED, answer
from streams.web.services import Services


class Latency(BaseModel):
    """Time from an event's record to that of its prediction, of the last 2 000."""

    p50: float | None
    p99: float | None


class Lag(BaseModel):
    """Events that no prediction is of yet; null before anything is known."""

    events: int | None


class WorkerState(BaseModel):
    """A worker, by its newest record of quality."""

    worker: str
    emitted_at: int
    model_version: str
    events: int
    partitions: list[int]
    """Of the events, that it owned then"""
    recall_at_10: float | None
    log_loss: float | None


class PartitionState(BaseModel):
    """A partition of events and predictions."""

    partition: int
    events_end: int | None
    predictions_end: int | None
    last_event_time: int | None


class Overview(BaseModel):
    """The state of the whole system, as its topics show it."""

    as_of: int
    events_per_s: float
    predictions_per_s: float
    users: int
    items: int
    dead_letters: int
    latency_ms: Latency
    lag: Lag
    workers: list[WorkerState]
    partitions: list[PartitionState]
    model_version: str | None
    ready: bool
    waits_for: str | None


class Session(BaseModel):
    """What this request may do."""

    roles: list[Role]
    token_required: bool
    truth: bool
    """Whether /v1/truth knows what users truly want"""


def overview_routes(services: Services) -> APIRouter:
    """`/v1/overview` and `/v1/session`."""
    view, follower, topics = services.view, services.follower, services.settings.topics
    router = APIRouter(tags=["overview"])

    @router.get("/v1/overview", response_model=Overview, dependencies=[Depends(services.access.require("read"))])
    def overview(request: Request) -> Response:
        """Rates, latency, lag, workers and partitions now."""
        traffic, workers = view.traffic, view.quality.newest()
        p50, p99 = traffic.latency_ms((0.5, 0.99))
        return answer(
            request,
            Overview(
                as_of=int(time.time() * 1000),
                events_per_s=traffic.events.per_s(),
                predictions_per_s=traffic.predictions.per_s(),
                users=view.meta.users,
                items=view.meta.items,
                dead_letters=view.meta.letters,
                latency_ms=Latency(p50=p50, p99=p99),
                lag=Lag(events=traffic.lag(topics.user_events, topics.partitions)),
                workers=[
                    WorkerState(
                        worker=worker.worker,
                        emitted_at=worker.emitted_at,
                        model_version=worker.model_version,
                        events=worker.events,
                        partitions=worker.partitions,
                        recall_at_10=worker.recall_at_10,
                        log_loss=worker.log_loss,
                    )
                    for worker in workers
                ],
                partitions=[
                    PartitionState(
                        partition=partition,
                        events_end=traffic.end(topics.user_events, partition),
                        predictions_end=traffic.end(topics.interest_predictions, partition),
                        last_event_time=traffic.last_event_ms(partition),
                    )
                    for partition in range(topics.partitions)
                ],
                model_version=workers[0].model_version if workers else None,
                ready=not follower.waits_for,
                waits_for=follower.waits_for or None,
            ),
        )

    @router.get("/v1/session", response_model=Session, responses=NOT_MODIFIED)
    def session(request: Request, roles: Annotated[frozenset[Role], Depends(services.access.of_request())]) -> Response:
        """What this request may do, and whether a token is needed at all."""
        held = [role for role in ROLES if role in roles]
        return answer(
            request, Session(roles=held, token_required=services.access.token_required, truth=bool(services.truths))
        )

    return router

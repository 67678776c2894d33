"""Routes of quality: how well the workers predict, and whether probabilities mean what they say."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.http.answers import NOT_MODIFIED, answer
from streams.web.services import Services

_WEEK_S = 7 * 86_400


class Means(BaseModel):
    """Means over scored events; null where there are none."""

    recall_at_10: float | None
    mrr: float | None
    log_loss: float | None


class WorkerRecord(Means):
    """The newest record of a worker."""

    worker: str
    emitted_at: int
    model_version: str
    events: int
    scored: int
    window: int
    possible: int
    popularity: Means


class QualityAt(BaseModel):
    """All workers together at a time."""

    at: int
    model_version: str
    recall_at_10: float | None
    popularity_recall_at_10: float | None
    mrr: float | None
    log_loss: float | None
    scored: int


class CalibrationBin(BaseModel):
    """Predictions whose most probable item had about the same probability, and how often it was the next one."""

    p_mean: float
    share: float
    count: int


class Quality(BaseModel):
    """How well is predicted."""

    workers: list[WorkerRecord]
    history: list[QualityAt]
    calibration: list[CalibrationBin]
    """Of the most probable item, by the user's next event, since this view began"""


def quality_routes(services: Services) -> APIRouter:
    """`/v1/quality`."""
    view = services.view
    router = APIRouter(tags=["quality"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/quality", response_model=Quality, responses=NOT_MODIFIED)
    def quality(
        request: Request,
        window_s: Annotated[int, Query(ge=60, le=_WEEK_S, description="How far back, in seconds.")] = 3600,
    ) -> Response:
        """The workers' records, their history, and calibration."""
        since_ms = int(time.time() * 1000) - window_s * 1000
        calibration = view.events.calibration(since_ms)
        return answer(
            request,
            Quality(
                workers=[
                    WorkerRecord(
                        worker=record.worker,
                        emitted_at=record.emitted_at,
                        model_version=record.model_version,
                        events=record.events,
                        scored=record.scored,
                        window=record.window,
                        possible=record.possible,
                        recall_at_10=record.recall_at_10,
                        mrr=record.mrr,
                        log_loss=record.log_loss,
                        popularity=Means(
                            recall_at_10=record.popularity.recall_at_10,
                            mrr=record.popularity.mrr,
                            log_loss=record.popularity.log_loss,
                        ),
                    )
                    for record in view.quality.newest()
                ],
                history=[
                    QualityAt(
                        at=point.emitted_at,
                        model_version=point.model_version,
                        recall_at_10=point.recall_at_10,
                        popularity_recall_at_10=point.popularity_recall_at_10,
                        mrr=point.mrr,
                        log_loss=point.log_loss,
                        scored=point.scored,
                    )
                    for point in view.quality.history(since_ms)
                ],
                calibration=[
                    CalibrationBin(p_mean=p_sum / count, share=hits / count, count=count)
                    for count, p_sum, hits in zip(calibration.count, calibration.p_sum, calibration.hits, strict=True)
                    if count
                ],
            ),
        )

    return router

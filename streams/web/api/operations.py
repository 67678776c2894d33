"""Routes for operators: releases of the model, dead letters, and the schemas of what is accepted."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from msgspec.structs import asdict
from pydantic import BaseModel
from starlette.responses import Response

from streams.schema.adapters.registry import FORMATS
from streams.web.http.answers import NOT_MODIFIED, Cursor, Limit, answer, from_number_cursor, to_cursor
from streams.web.services import Services


class ReleaseSummary(BaseModel):
    """A release of the model."""

    model_version: str
    released_at: int
    items: int
    events: int
    recall_at_10: float | None
    log_loss: float | None


class Models(BaseModel):
    """Releases of the model, newest first, one every few seconds."""

    current: str | None
    releases: list[ReleaseSummary]


class DeadLetter(BaseModel):
    """A record that could not be used; topic, partition, offset and time are its own."""

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    value: str


class DeadLetters(BaseModel):
    """Dead letters, newest first."""

    total: int
    by_reason: dict[str, int]
    samples: list[DeadLetter]
    next: str | None


class EventSchema(BaseModel):
    """A schema of events that is read, also without being named."""

    name: str
    description: str


class EventSchemas(BaseModel):
    """The schemas of events that are accepted."""

    schemas: list[EventSchema]


def operations_routes(services: Services) -> APIRouter:
    """`/v1/models`, `/v1/dead-letters` and `/v1/schemas`."""
    view = services.view
    router = APIRouter(tags=["operations"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/models", response_model=Models, responses=NOT_MODIFIED)
    def models(request: Request, limit: Limit = 100) -> Response:
        """Releases of the model that workers follow."""
        releases = [
            ReleaseSummary(
                model_version=row.model_version,
                released_at=row.released_at,
                items=row.items,
                events=row.events,
                recall_at_10=row.recall_at_10,
                log_loss=row.log_loss,
            )
            for row in islice(view.releases.newest(), limit)
        ]
        return answer(request, Models(current=releases[0].model_version if releases else None, releases=releases))

    @router.get("/v1/dead-letters", response_model=DeadLetters, responses=NOT_MODIFIED)
    def dead_letters(
        request: Request,
        limit: Limit = 50,
        reason: Annotated[str | None, Query(max_length=100, description="Only those of this reason.")] = None,
        cursor: Cursor = None,
    ) -> Response:
        """Records that could not be used: how many by reason, and the newest thousand."""
        samples: list[DeadLetter] = []
        more, last = None, 0
        for number, row in view.letters.newest(from_number_cursor(cursor)):
            if reason is not None and row.reason != reason:
                continue
            if len(samples) == limit:
                more = to_cursor(str(last))
                break
            last = number
            samples.append(DeadLetter(**asdict(row)))
        by_reason = view.letters.by_reason()
        total = sum(by_reason.values())
        return answer(request, DeadLetters(total=total, by_reason=by_reason, samples=samples, next=more))

    @router.get("/v1/schemas", response_model=EventSchemas, responses=NOT_MODIFIED)
    async def schemas(request: Request) -> Response:
        """Schemas in which events may be sent; each event's is detected."""
        shown = [EventSchema(name=name, description=_DESCRIPTIONS[name]) for name in FORMATS]
        return answer(request, EventSchemas(schemas=shown))

    return router


_DESCRIPTIONS = {
    "canonical": "This project's own: user_id, event_type, item_id, timestamp; camelCase is read, too",
    "cloudevents": "CloudEvents, structured or binary",
    "amplitude": "Amplitude's events",
    "personalize": "Amazon Personalize's PutEvents",
    "metarank": "Metarank's interactions and rankings",
    "segment": "Segment's track, page, screen and identify calls; RudderStack's",
    "mixpanel": "Mixpanel's events",
    "posthog": "PostHog's events",
    "ga4": "Google Analytics 4, as BigQuery exports it or the Measurement Protocol sends it",
    "snowplow": "Snowplow's enriched events, in TSV or JSON",
    "gorse": "Gorse's feedback",
}

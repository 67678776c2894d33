"""Routes that write: events in, and the erasure of a user. Both go through Kafka, to the workers."""

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from streams.errors import Rejected
from streams.schema.decoder import SchemaRules
from streams.web.api.users import UserId
from streams.web.http.access import Role
from streams.web.http.problems import Problem
from streams.web.posted_events import MOST_EVENTS, PostedEvent, erasure, read_events
from streams.web.services import Services

_EXAMPLE: Final = {
    "user_id": "u1",
    "event_type": "click",
    "item_id": "i9",
    "timestamp": 1731900000123,
    "event_id": "01J",
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One event, or an array of them, each in any schema of `/v1/schemas`.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "object"},
                        {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MOST_EVENTS},
                    ]
                },
                "example": _EXAMPLE,
            }
        },
    }
}


class EventResult(BaseModel):
    """What became of an event; an element of the body that holds several has a result for each."""

    index: int
    status: Literal["accepted", "rejected", "left_out"]
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    reason: str | None = None
    detail: str | None = None


class Accepted(BaseModel):
    """What became of the events of a request."""

    accepted: int
    rejected: int
    left_out: int
    results: list[EventResult]


class Erasure(BaseModel):
    """Where the erasure is written: it is done once a worker has read it."""

    user_id: str
    topic: str
    partition: int
    offset: int


def event_routes(services: Services) -> APIRouter:
    """`POST /v1/events` and `DELETE /v1/users/{user_id}`."""
    sender, access, max_bytes = services.sender, services.access, services.settings.kafka.max_record_bytes
    events = services.settings.events
    base = SchemaRules.of(events)
    rules = SchemaRules(base.field_map, base.type_names, check_key=False)
    router = APIRouter(tags=["events"])

    @router.post("/v1/events", status_code=202, response_model=Accepted, openapi_extra=_BODY)
    async def post_events(
        request: Request, roles: Annotated[frozenset[Role], Depends(access.require("write"))]
    ) -> Response:
        """Writes events to Kafka, acknowledged by all in-sync replicas; 400 where none can be used."""
        _check_json(request)
        body = await request.body()
        posted = await asyncio.to_thread(read_events, body, rules, max_bytes, "erase" in roles)
        records = [event.record for event in posted if event.record is not None]
        sent = iter(await sender.send(records) if records else ())
        results = [_result(event, None if event.record is None else next(sent), sender.topic) for event in posted]
        counts = {status: sum(result.status == status for result in results) for status in _STATUSES}
        shown = [result.model_dump(exclude_none=True) for result in results]
        if counts["rejected"] and not counts["accepted"]:
            first = next(result for result in results if result.status == "rejected")
            raise Problem(400, f"no event can be used; the first: {first.reason}: {first.detail}", results=shown)
        return JSONResponse({**counts, "results": shown}, 202)

    @router.delete(
        "/v1/users/{user_id:path}",
        status_code=202,
        response_model=Erasure,
        dependencies=[Depends(access.require("erase"))],
    )
    async def delete_user(user_id: UserId) -> Response:
        """Erases a user: row, predictions, history, and what waits to be learnt. Done once a worker has read it."""
        try:
            record = erasure(user_id)
        except Rejected as error:
            raise Problem(422, str(error)) from error
        (outcome,) = await sender.send([record])
        if not isinstance(outcome, tuple):
            raise Problem(503, f"Kafka has refused the record: {outcome}", {"Retry-After": "5"})
        answer = Erasure(user_id=user_id, topic=sender.topic, partition=outcome[0], offset=outcome[1])
        return Response(answer.model_dump_json(), 202, media_type="application/json")

    return router


_STATUSES: Final = ("accepted", "rejected", "left_out")


def _check_json(request: Request) -> None:
    """A page of another site can send any other type without asking first (CORS)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise Problem(415, "send events as application/json")


def _result(event: PostedEvent, outcome: tuple[int, int] | Exception | None, topic: str) -> EventResult:
    if event.forbidden:
        detail = "this token may not erase users: it needs web.erase_token"
        return EventResult(index=event.index, status="rejected", reason="forbidden", detail=detail)
    if event.fault is not None:
        return EventResult(index=event.index, status="rejected", reason=event.fault.code, detail=event.fault.message)
    if outcome is None:
        return EventResult(index=event.index, status="left_out", detail="it holds no event of interest")
    if isinstance(outcome, Exception):
        return EventResult(index=event.index, status="rejected", reason="not_written", detail=str(outcome))
    return EventResult(index=event.index, status="accepted", topic=topic, partition=outcome[0], offset=outcome[1])

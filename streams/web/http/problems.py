"""Errors as problem details (RFC 9457), in one form for all: `application/problem+json`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from state.errors import StateError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "Problem details of RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_MOST_ERRORS: Final = 20


class Problem(Exception):  # noqa: N818 - the standard's own word
    """Ends a request with this status; `detail` says what whoever asks can do."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.fields = fields

    def response(self) -> Response:
        """The answer."""
        return problem_response(self.status, self.detail, self.headers, **self.fields)


def problem_response(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None, **fields: Any
) -> Response:
    """An answer with problem details."""
    problem: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        problem["detail"] = detail
    return Response(orjson.dumps(problem | fields), status, headers, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Makes every error of the application one of these."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = "" if error.detail == HTTPStatus(error.status_code).phrase else error.detail
        return problem_response(error.status_code, detail, error.headers)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        of_body = any(tuple(fault["loc"]) == ("body",) for fault in error.errors())
        if of_body and "json" not in request.headers.get("content-type", ""):
            return problem_response(415, "send a JSON object as application/json, {} where nothing is to be said")
        errors = [
            {"where": ".".join(str(part) for part in fault["loc"]), "fault": fault["msg"]} for fault in error.errors()
        ][:_MOST_ERRORS]
        detail = "; ".join(f"{fault['where']}: {fault['fault']}" for fault in errors)
        return problem_response(422, detail, errors=errors)

    async def on_state(_: Request, error: Exception) -> Response:
        log.error("the view cannot be read: %s", error)
        return problem_response(503, "the view cannot be read now", {"Retry-After": "5"})

    async def on_bug(_: Request, __: Exception) -> Response:
        return problem_response(500)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(StateError, on_state)
    app.add_exception_handler(Exception, on_bug)

"""The OpenAPI document: what FastAPI makes of the routes, with errors as they are here."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from streams import __version__
from streams.web.http.problems import MEDIA_TYPE, SCHEMA

_DESCRIPTION: Final = """What every user wants now, who wants it, and why: read from `interest-predictions`.

Times are milliseconds since 1970 (UTC). Errors are problem details (RFC 9457). Answers have an `ETag`. Where a token is
needed, send `Authorization: Bearer …`."""
_PROBLEM: Final = {
    "description": "Problem details",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def use_openapi(app: FastAPI) -> None:
    """Makes the application's document this one."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI documents it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="interest-stream", version=__version__, description=_DESCRIPTION, routes=app.routes, summary=None
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = SCHEMA
    for operations in document["paths"].values():
        for operation in operations.values():
            responses: dict[str, Any] = operation["responses"]
            responses.pop("422", None)
            responses.setdefault("4XX", _PROBLEM)
            responses.setdefault("5XX", _PROBLEM)
    return document

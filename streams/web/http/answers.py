"""Answers: JSON with an ETag, and cursors of what is read page by page."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any, Final

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.http.problems import Problem

_HEADERS: Final = {"Cache-Control": "private, no-cache"}
MOST_ROWS: Final = 1000

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="At most so many.")]
Cursor = Annotated[str | None, Query(max_length=2048, description="`next` of the answer before.")]
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Nothing has changed since (If-None-Match)"}
}


def answer(request: Request, model: BaseModel, version: str | None = None) -> Response:
    """The model as JSON; 304 without a body where the request has it already.

    `version` is of what the answer shows, where parts of it, such as an age, differ in every answer.
    """
    if version is None:
        body = model.model_dump_json().encode()
        tag = entity_tag(body)
        if is_known(request, tag):
            return Response(status_code=304, headers={**_HEADERS, "ETag": tag})
        return Response(body, headers={**_HEADERS, "ETag": tag}, media_type="application/json")
    tag = entity_tag(version.encode())
    if is_known(request, tag):
        return Response(status_code=304, headers={**_HEADERS, "ETag": tag})
    return Response(model.model_dump_json().encode(), headers={**_HEADERS, "ETag": tag}, media_type="application/json")


def entity_tag(content: bytes) -> str:
    """The ETag of some content."""
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the request names this ETag as the one it has."""
    known = request.headers.get("if-none-match")
    if known is None:
        return False
    return known.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in known.split(",")]


def to_cursor(text: str) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> str | None:
    """What the cursor was made of. Raises Problem for one that this API has not made."""
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Problem(400, "cursor: is not `next` of an answer of this API") from error


def from_number_cursor(cursor: str | None) -> int | None:
    """The same for a cursor that was made of a number."""
    text = from_cursor(cursor)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Problem(400, "cursor: is not `next` of an answer of this API")
    return int(text)

"""Route of predictions as they come, as Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from streams.schema.events import MAX_ID_LENGTH
from streams.web.api.users import interests_of
from streams.web.following.hub import Waiting
from streams.web.services import Services
from streams.web.view.rows import UserRow

_HEARTBEAT_S: Final = 15.0
_ITEMS: Final = 10
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Events `prediction`", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def stream_routes(services: Services) -> APIRouter:
    """`/v1/stream`."""
    view, hub = services.view, services.hub
    router = APIRouter(tags=["users"], dependencies=[Depends(services.access.require("read"))])

    def message(user_id: str, row: UserRow) -> bytes:
        data = interests_of(user_id, row, view.catalog, _ITEMS).model_dump_json()
        return f"event: prediction\nid: {row.position}\ndata: {data}\n\n".encode()

    async def messages(waiting: Waiting, user_id: str | None, last_id: str | None) -> AsyncIterator[bytes]:
        yield b": predictions as they come\n\n"
        if user_id is not None and (row := view.users.get(user_id)) is not None and row.position != last_id:
            yield message(user_id, row)
        while True:
            try:
                async with asyncio.timeout(_HEARTBEAT_S):
                    update = await waiting.get()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if update is None:
                return
            yield message(*update)

    @router.get("/v1/stream", response_class=StreamingResponse, responses=_ANSWER)
    async def stream(
        user: Annotated[
            str | None,
            Query(min_length=1, max_length=MAX_ID_LENGTH, description="Only this user's; else some of all users'."),
        ] = None,
        last_event_id: Annotated[str | None, Header(description="Of the last one that was read.")] = None,
    ) -> StreamingResponse:
        """Predictions as they come: each event's data is as that of `/v1/users/{user_id}/interests`."""
        stack = ExitStack()
        waiting = stack.enter_context(hub.stream(user))  # now: over the limit, the answer is a problem
        return _ClosingResponse(messages(waiting, user, last_event_id), stack)

    return router


class _ClosingResponse(StreamingResponse):
    """Closes what it was made with, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], stack: ExitStack) -> None:
        super().__init__(content, headers=_HEADERS, media_type="text/event-stream")
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)

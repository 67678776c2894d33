"""The route of what synthetic users truly want."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from streams.web.api.users import UserId
from streams.web.http.answers import NOT_MODIFIED, answer
from streams.web.http.problems import Problem
from streams.web.services import Services
from streams.web.truths import Truth


def truth_routes(services: Services) -> APIRouter:
    """`/v1/truth/{user_id}`."""
    router = APIRouter(tags=["users"], dependencies=[Depends(services.access.require("read"))])

    @router.get("/v1/truth/{user_id:path}", response_model=Truth, responses=NOT_MODIFIED)
    async def truth(request: Request, user_id: UserId) -> Response:
        """What the user truly wants over time: known of the synthetic users of `interest-stream demo` alone."""
        known = services.truths.get(user_id)
        if known is None:
            raise Problem(404, f"the true interest of the user {user_id!r} is not known: only a demo knows it")
        return answer(request, known)

    return router

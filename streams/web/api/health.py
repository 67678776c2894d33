"""Routes for whoever runs the process: whether it is alive, and whether its view is as the topics are."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.problems import problem_response
from streams.web.services import Services


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


def health_routes(services: Services) -> APIRouter:
    """`/health/live` and `/health/ready`, for which no token is needed."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live")
    async def live() -> Health:
        """The process answers."""
        return Health()

    @router.get("/health/ready", response_model=Health)
    async def ready() -> Response:
        """Kafka has been read to its end, and is followed from there; 503 before."""
        if services.follower.waits_for:
            return problem_response(503, services.follower.waits_for, {"Retry-After": "1"})
        return Response(Health().model_dump_json(), media_type="application/json")

    return router

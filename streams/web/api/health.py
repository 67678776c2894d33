"""Routes for whoever runs the process: whether it is alive, and whether its view is as the topics are."""

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from streams.web.http.problems import problem_response
from streams.web.services import Services


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


def health_routes(services: Services) -> APIRouter:
    """`/health/live` and `/health/ready`, for which no token is needed, and `/metrics`, for which one may be."""
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

    @router.get(
        "/metrics",
        dependencies=[Depends(services.access.require("read"))],
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_class=Response,
    )
    def metrics() -> Response:
        """Metrics of this process, as Prometheus reads them."""
        return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router

"""The application: routes, limits, headers, errors."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from streams.web.api.decisions import decision_routes
from streams.web.api.events import event_routes
from streams.web.api.experiments import experiment_routes
from streams.web.api.health import health_routes
from streams.web.api.history import history_routes
from streams.web.api.items import item_routes
from streams.web.api.operations import operations_routes
from streams.web.api.overview import overview_routes
from streams.web.api.quality import quality_routes
from streams.web.api.segments import segment_routes
from streams.web.api.stream import stream_routes
from streams.web.api.trending import trending_routes
from streams.web.api.truth import truth_routes
from streams.web.api.users import user_routes
from streams.web.http.openapi import use_openapi
from streams.web.http.page_files import page_routes
from streams.web.http.problems import add_problem_handlers
from streams.web.http.request_limits import RequestLimits
from streams.web.http.response_headers import ResponseHeaders
from streams.web.metrics import CountRequests
from streams.web.services import Services


def make_app(services: Services) -> FastAPI:
    """The ASGI application. Not to be used before the services run."""
    web = services.settings.web
    app = FastAPI(docs_url=None, redoc_url=None, redirect_slashes=False)
    routes = (
        health_routes, overview_routes, user_routes, history_routes, trending_routes, item_routes,
        quality_routes, operations_routes, segment_routes, stream_routes, event_routes, truth_routes,
        experiment_routes, decision_routes,
    )  # fmt: skip
    for router in (*(of(services) for of in routes), page_routes()):
        app.include_router(router)
    add_problem_handlers(app)
    use_openapi(app)
    # The last one added is the first that a request meets.
    if web.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=web.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag"],
        )
    app.add_middleware(RequestLimits, web=web)
    app.add_middleware(ResponseHeaders)
    app.add_middleware(CountRequests, metrics=services.metrics)
    return app

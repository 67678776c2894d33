"""Metrics of the process: requests by route, the view, and how far it is behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.monitoring.process_monitoring import process_registry
from streams.web.following.follower import Follower
from streams.web.following.hub import Hub
from streams.web.view.view import View

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_NO_ROUTE: Final = "none"
_STREAM: Final = "/v1/stream"  # lasts as long as its client likes


class WebMetrics(Collector):
    """Registers itself with the metrics of any process."""

    def __init__(self, view: View, follower: Follower, hub: Hub) -> None:
        self.registry: CollectorRegistry = process_registry()
        registry, labels = self.registry, ["method", "route", "status"]
        self.requests = Counter("interest_web_requests", "Requests that were answered.", labels, registry=registry)
        self.seconds = Histogram(
            "interest_web_request_seconds", "Time to the whole answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._view, self._follower, self._hub = view, follower, hub
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What is read when it is asked for."""
        follower, meta = self._follower, self._view.meta
        yield CounterMetricFamily("interest_web_records", "Records that were read.", follower.records)
        yield CounterMetricFamily("interest_web_unreadable", "Records that were passed over.", follower.unreadable)
        for name, what, value in (
            ("behind", "Offsets that are not read yet.", follower.behind),
            ("ready", "Whether the view is as the topics are.", int(not follower.waits_for)),
            ("users", "Users in the view.", meta.users),
            ("items", "Items of the catalog in the view.", meta.items),
            ("streams", "Streams that are open.", self._hub.open),
        ):
            yield GaugeMetricFamily(f"interest_web_{name}", what, value)


class CountRequests:
    """Counts and times each request under its route."""

    def __init__(self, app: ASGIApp, metrics: WebMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin_s, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", _NO_ROUTE)
            method = scope["method"] if route != _NO_ROUTE else "any"  # which anybody can invent
            self._metrics.requests.labels(method, route, str(status)).inc()
            if route != _STREAM:
                self._metrics.seconds.labels(route).observe(time.perf_counter() - begin_s)

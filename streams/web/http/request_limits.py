"""Limits of a request: who may ask for which host, how often, how much it may send and how long that may take."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.settings.web_section import WebSettings
from streams.web.http.problems import Problem

_BURST_S: Final = 2.0
_MOST_CLIENTS: Final = 10_000
_BODY_TIMEOUT_S: Final = 20.0
_UNLIMITED: Final = ("/health/live", "/health/ready", "/metrics")


class TokenBuckets:
    """Requests by client: so many per second, in bursts. The clients unseen for longest are forgotten."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s * _BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client → tokens, and when that was

    def wait_s(self, client: str) -> float:
        """Takes a token: 0, or the time until there is one."""
        now_s = time.monotonic()
        tokens, then_s = self._buckets.pop(client, (self._most, now_s))
        tokens = min(self._most, tokens + (now_s - then_s) * self._per_s)
        allowed = tokens >= 1.0
        self._buckets[client] = tokens - allowed, now_s
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._per_s


class RequestLimits:
    """Refuses what is over a limit, with problem details."""

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app = app
        self._web = web
        self._buckets = TokenBuckets(web.requests_per_s) if web.requests_per_s else None
        # A page of another site may name a host that resolves to this machine: its own name would then reach us.
        self._checks_host = web.is_loopback and not web.tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        body = _BoundedBody(receive, self._web.max_body_bytes)
        try:
            await self._app(scope, body.receive, send)
        except Problem as problem:  # raised while the body was read: nothing has been answered yet
            await problem.response()(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._checks_host and not _is_loopback_host(headers.get("host", "")):
            raise Problem(421, "without tokens only requests for this machine by its loopback name are answered")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._web.max_body_bytes:
            raise Problem(413, f"a body has at most {self._web.max_body_bytes} bytes (web.max_body_bytes)")
        if self._buckets is not None and scope["path"] not in _UNLIMITED:
            wait_s = self._buckets.wait_s(_client(scope))
            if wait_s > 0.0:
                detail = f"at most {self._web.requests_per_s:g} requests per second (web.requests_per_s)"
                raise Problem(429, detail, {"Retry-After": str(int(wait_s) + 1)})


class _BoundedBody:
    """Counts what is received of a body, and gives it a time."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._bytes = 0
        self._end_s = time.monotonic() + _BODY_TIMEOUT_S
        self._complete = False

    async def receive(self) -> Message:
        """The next message. Raises Problem over a limit."""
        if self._complete:  # only a disconnect can follow
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._end_s - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise Problem(408, f"the body was not complete within {_BODY_TIMEOUT_S:.0f} s") from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._bytes > self._max_bytes:
                raise Problem(413, f"a body has at most {self._max_bytes} bytes (web.max_body_bytes)")
        return message


def _client(scope: Scope) -> str:
    """Whom a limit is of: an address, of IPv6 its network."""
    host: str = scope["client"][0] if scope.get("client") else ""
    if ":" not in host:
        return host
    try:
        return str(ip_network(f"{ip_address(host.partition('%')[0])}/64", strict=False))
    except ValueError:
        return host


def _is_loopback_host(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False

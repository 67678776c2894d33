"""The process: a thread that follows Kafka, and the server that answers from its view."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import uvicorn

from streams.settings.settings import Settings
from streams.web.app import make_app
from streams.web.decisions import Decisions
from streams.web.following.follower import Follower
from streams.web.following.hub import Hub
from streams.web.following.policy_watch import PolicyWatch
from streams.web.http.access import Access
from streams.web.metrics import WebMetrics
from streams.web.record_sender import decision_sender, event_sender
from streams.web.segment_publisher import SegmentPublisher
from streams.web.services import Services
from streams.web.truths import Truth
from streams.web.view.view import View

log = logging.getLogger(__name__)

_STOP_S: Final = 3  # what is open then is closed
_MOST_CONNECTIONS: Final = 1000
# So long an answer waits at most, each time, for the thread that follows Kafka; five milliseconds by default.
_SWITCH_S: Final = 0.0005


class WebServer:
    """One server and the view that it answers from. `serve` once, then `close`."""

    def __init__(self, settings: Settings, truths: Mapping[str, Truth] | None = None) -> None:
        """Takes port and folder. Raises SettingsError, OSError and StateError where it cannot have them."""
        self._settings = settings
        self._truths = truths or {}
        self._access = Access(settings.web)
        self._listener = _listen(settings.web.host, settings.web.port)
        self._server: uvicorn.Server | None = None
        self._hub: Hub | None = None
        try:
            self._view = View(settings)
            self._decisions = Decisions(settings, self._view)
        except BaseException:
            self._listener.close()
            raise

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def serve(self) -> None:
        """Answers until `stop`. Raises the StateError, or bug, that has ended the thread that follows Kafka."""
        settings, view, loop = self._settings, self._view, asyncio.get_running_loop()
        failures: list[Exception] = []

        def on_failure(error: Exception) -> None:
            failures.append(error)
            loop.call_soon_threadsafe(self.stop)

        self._hub = Hub(settings.web.max_streams)
        senders = event_sender(settings), decision_sender(settings)
        policies = PolicyWatch(settings, self._decisions.policies, self._decisions.arms)
        follower = Follower(settings, view, policies, self._hub.publish, on_failure)
        metrics = WebMetrics(view, follower, self._hub)
        config = uvicorn.Config(
            make_app(
                Services(
                    settings, self._access, view, follower, self._hub, *senders, self._decisions, metrics, self._truths
                )
            ),
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,  # paths hold ids of users
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_S,
        )
        self._server = _Server(config)
        follower.start()
        publishing = None
        if settings.web.publish_segments_s:
            publishing = asyncio.create_task(SegmentPublisher(settings, view, follower).run())
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            if publishing is not None:
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)
            await asyncio.to_thread(follower.stop)
            for sender in senders:
                await sender.stop()
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Makes `serve` return once what is open has been answered. Called in its event loop."""
        if self._server is not None and self._hub is not None:
            self._server.should_exit = True
            self._hub.close()

    def close(self) -> None:
        """Releases port and folder."""
        self._listener.close()
        self._view.close()


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_web(settings: Settings, truths: Mapping[str, Truth] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises SettingsError, OSError, StateError."""
    sys.setswitchinterval(_SWITCH_S)
    server = WebServer(settings, truths)
    try:
        asyncio.run(_run(server))
    finally:
        server.close()


async def _run(server: WebServer) -> None:
    loop = asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, server.stop)
    log.info("listening at %s", server.url)
    await server.serve()


def _listen(host: str, port: int) -> socket.socket:
    """A socket at this address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: set web.host or web.port", f"{host}:{port}") from error
    return listener

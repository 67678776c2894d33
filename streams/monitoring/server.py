"""The HTTP server of metrics and health checks, in threads of its own: no client can make a step wait."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams.errors import MonitoringError
from streams.monitoring.health import Health, HealthStatus

log = logging.getLogger(__name__)

_POLL_S: Final = 0.2  # how often the thread looks whether it is to end
_CLIENT_TIMEOUT_S: Final = 5.0
_MOST_CLIENTS: Final = 8


class MonitoringServer:
    """Answers GET of /metrics, /health/live and /health/ready."""

    def __init__(self, host: str, port: int, setting: str, registry: CollectorRegistry, health: Health) -> None:
        """Listens at once. `setting` names the one that the port is from.

        Raises MonitoringError where it cannot listen there.
        """
        try:
            self._server = _Server(host, port, registry, health)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise MonitoringError(
                f"metrics cannot be served at {host}:{port} ({reason}): set {setting} to a port that is free, or to 0 "
                "for none, and monitoring.host to an address of this machine"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="monitoring", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        log.info("metrics and health checks are at http://%s:%d/metrics", self._server.server_address[0], self.port)

    def stop(self) -> None:
        """Ends it, without waiting for clients."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """A thread for each of a few clients; further ones are refused."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        self.registry = registry
        self.health = health
        self._free = threading.BoundedSemaphore(_MOST_CLIENTS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the name of the host, for which a resolver may be asked for long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, while there are not too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or sends nothing, is expected; anything else is a bug."""
        level = logging.DEBUG if isinstance(sys.exc_info()[1], OSError) else logging.ERROR
        log.log(level, "a request to the monitoring port failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = _CLIENT_TIMEOUT_S  # for each time that it waits for the client
    server: _Server

    def do_GET(self) -> None:
        """Answers."""
        path = urlsplit(self.path).path.rstrip("/")
        if path == "/metrics":
            self._send_metrics()
        elif path == "/health/live":
            self._send_status(self.server.health.live())
        elif path == "/health/ready":
            self._send_status(self.server.health.ready())
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /health/live or /health/ready\n")

    def _send_metrics(self) -> None:
        encode, content_type = choose_encoder(self.headers.get("Accept") or "")
        try:
            body = encode(self.server.registry)
        except Exception:
            log.exception("the metrics cannot be collected")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"see the log\n")
            return
        self._send(HTTPStatus.OK, content_type, body)

    def _send_status(self, status: HealthStatus) -> None:
        answer = {"status": "ok" if status.ok else "failing", "reason": status.reason, **status.details}
        code = HTTPStatus.OK if status.ok else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(code, "application/json", json.dumps(answer).encode() + b"\n")

    def _send(self, code: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a scrape comes every few seconds."""

"""A schema registry in this process, with the part of Confluent's API that the project uses, and faults on demand.

tests/integration/test_registry.py holds the project to a real registry; this one fails as tests ask for it.
"""

from __future__ import annotations

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Reference = dict[str, Any]


class RegistryServer:
    """Schemas by id, and what the server answers instead."""

    def __init__(self) -> None:
        self.url = ""
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.requests: list[str] = []
        self.failures: list[int] = []
        """Statuses of the next answers"""
        self.user: tuple[str, str] | None = None
        """User and password that are asked for"""
        self.redirect = ""
        """Another server, to which every request is sent on"""
        self.incompatible = False
        self.read_only = False

    def add(
        self, subject: str, schema: str | dict[str, Any], kind: str = "AVRO", references: Sequence[Reference] = ()
    ) -> int:
        """Registers a schema, and returns its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        entry_of_schema = {"schema": text, "schemaType": kind, "references": list(references)}
        known = next(
            (known for known, entry in self.schemas.items() if entry == entry_of_schema), len(self.schemas) + 1
        )
        self.schemas[known] = entry_of_schema
        self.subjects.setdefault(subject, []).append(known)
        return known

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Status and JSON."""
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        match method, parts:
            case "GET", ["schemas", "types"]:
                return 200, ["JSON", "PROTOBUF", "AVRO"]
            case "GET", ["schemas", "ids", number]:
                if (entry := self.schemas.get(int(number))) is None:
                    return 404, {"error_code": 40403, "message": f"Schema {number} not found"}
                return 200, {name: value for name, value in entry.items() if value != "AVRO" and value != []}
            case "GET", ["subjects", subject, "versions", version]:
                ids = self.subjects.get(subject, [])
                if int(version) > len(ids):
                    return 404, {"error_code": 40402, "message": "Version not found."}
                known = ids[int(version) - 1]
                return 200, {"subject": subject, "version": int(version), "id": known, **self.schemas[known]}
            case "POST", ["subjects", subject, "versions"]:
                assert body is not None
                if self.read_only:
                    return 405, {"error_code": 40501, "message": "read only"}
                if self.incompatible:
                    return 409, {"error_code": 409, "message": "incompatible"}
                return 200, {"id": self.add(subject, body["schema"])}
            case "POST", ["subjects", subject]:
                assert body is not None
                for known in self.subjects.get(subject, []):
                    if self.schemas[known]["schema"] == body["schema"]:
                        return 200, {"subject": subject, "id": known, "version": 1, "schema": body["schema"]}
                return 404, {"error_code": 40403, "message": "Schema not found"}
        return 404, "no such path"


@contextmanager
def serving(registry: RegistryServer, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[RegistryServer]:
    """The registry answers at `url` inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any] | None) -> None:
            registry.requests.append(f"{self.command} {self.path}")
            status, answer = registry.answer(self.command, self.path, body)
            if registry.failures:
                status, answer = registry.failures.pop(0), {"message": "failing"}
            elif registry.user is not None:
                expected = b64encode(":".join(registry.user).encode()).decode()
                if self.headers["Authorization"] != f"Basic {expected}":
                    status, answer = 401, {"error_code": 401, "message": "Unauthorized"}
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(307 if registry.redirect else status)
            if registry.redirect:
                self.send_header("Location", registry.redirect + self.path)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    registry.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

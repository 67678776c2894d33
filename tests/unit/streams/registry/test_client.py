import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from streams.errors import RegistryError, Rejected, SettingsError
from streams.registry import client
from streams.registry.client import RegistryClient
from streams.settings.registry_section import RegistrySettings
from streams.settings.settings import load_settings
from tests.registry_server import RegistryServer, serving


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_RETRY_S", 0.02)


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def with_password(url: str, user: str, password: str, monkeypatch: pytest.MonkeyPatch) -> RegistrySettings:
    monkeypatch.setenv("INTEREST_REGISTRY__PASSWORD", password)
    return load_settings(None, [f"registry.url={url}", f"registry.username={user}"]).registry


@pytest.mark.parametrize("failures", [[500], [503, 502, 429]])
async def test_it_waits_for_a_registry_that_fails_for_a_while(
    server: RegistryServer, caplog: pytest.LogCaptureFixture, failures: list[int]
) -> None:
    server.add("v", '"string"')
    server.failures = list(failures)
    caplog.set_level(logging.INFO)
    asked = RegistryClient(RegistrySettings(url=server.url))
    for _ in range(2):
        assert (await asked.schema(1)).text == '"string"'
    assert len(server.requests) == len(failures) + 2
    waiting, answering = caplog.messages
    assert waiting == (
        f"waiting for the schema registry at {server.url} (registry.url), for at most 60 s (registry.max_wait_s): "
        f"it answers {failures[0]} {'Internal Server Error' if failures == [500] else 'Service Unavailable'}"
    )
    assert answering == f"the schema registry at {server.url} answers again"


async def test_it_waits_for_a_registry_that_starts(unused_port: int, caplog: pytest.LogCaptureFixture) -> None:
    registry = RegistryServer()
    registry.add("v", '"string"')

    def start_later() -> None:
        time.sleep(0.3)
        with serving(registry, port):
            done.wait(60)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = threading.Event()
    thread = threading.Thread(target=start_later)
    thread.start()
    try:
        assert (await RegistryClient(RegistrySettings(url=f"http://127.0.0.1:{port}")).schema(1)).text == '"string"'
    finally:
        done.set()
        thread.join()
    assert sum("waiting for the schema registry" in message for message in caplog.messages) == 1


async def test_it_gives_up_after_a_while(unused_port: int, caplog: pytest.LogCaptureFixture) -> None:
    asked = RegistryClient(RegistrySettings(url=f"http://127.0.0.1:{unused_port}", max_wait_s=0.2))
    with pytest.raises(RegistryError) as caught:
        await asked.schema(1)
    assert str(caught.value).startswith(
        f"the schema registry at http://127.0.0.1:{unused_port} has not answered for 0.2 s (registry.max_wait_s): "
    )
    assert str(caught.value).endswith("Start it, or set registry.url; nothing is lost meanwhile")
    assert len(caplog.messages) == 1


async def test_a_registry_that_answers_too_slowly(unused_port: int) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryError, match=r"no answer within registry\.timeout_s=0\.1"):
            await RegistryClient(RegistrySettings(url=url, timeout_s=0.1, max_wait_s=0)).schema(1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_user_that_is_refused(server: RegistryServer, status: int) -> None:
    server.failures = [status]
    with pytest.raises(RegistryError, match=f"answers {status} .*: set registry.username and INTEREST_REG"):
        await RegistryClient(RegistrySettings(url=server.url)).check()


async def test_users_and_passwords(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.user = ("key", "pässword:")
    await RegistryClient(with_password(server.url, "key", "pässword:", monkeypatch)).check()
    with pytest.raises(RegistryError, match=r"registry\.username=key with registry\.password .* is wrong") as caught:
        await RegistryClient(with_password(server.url, "key", "not the secret", monkeypatch)).check()
    assert "not the secret" not in str(caught.value)


async def test_no_other_host_gets_the_password(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.user = ("key", "secret")
    given: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers["Authorization"])
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        server.redirect = f"http://127.0.0.1:{other.server_port}"
        await RegistryClient(with_password(server.url, "key", "secret", monkeypatch)).check()
        thread.join()
    assert given == [None]


@pytest.mark.parametrize("path", ["/schemas/types", "/schemas/ids/1"])
async def test_another_server_is_no_registry(server: RegistryServer, path: str) -> None:
    asked = RegistryClient(RegistrySettings(url=f"{server.url}/api"))
    with pytest.raises(RegistryError, match=r"\(registry\.url\) is no schema registry .* answers 404 to GET /schemas/"):
        await (asked.check() if path.endswith("types") else asked.schema(1))


async def test_answers_that_are_no_json(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "answer", lambda *_: (200, "<html>"))
    monkeypatch.setattr(json, "dumps", str)
    with pytest.raises(RegistryError, match="is no schema registry"):
        await RegistryClient(RegistrySettings(url=server.url)).check()


async def test_ids_that_there_are_not(server: RegistryServer) -> None:
    asked = RegistryClient(RegistrySettings(url=server.url))
    with pytest.raises(Rejected, match=r"no schema has the id 7 .*: the registry answers 404 Schema 7 not found"):
        await asked.schema(7)
    with pytest.raises(Rejected, match=r"no schema has the id 2147483648 .*: ids end at 2147483647"):
        await asked.schema(2**31)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_tls(authority: trustme.CA, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with serving(RegistryServer(), tls=tls_context(authority)) as server:
        await RegistryClient(RegistrySettings(url=server.url, ca_file=str(ca_file))).check()
        with pytest.raises(RegistryError, match=rf"is refused: .* \(registry\.ca_file is {other}\)"):
            await RegistryClient(RegistrySettings(url=server.url, ca_file=str(other))).check()
        with pytest.raises(RegistryError, match="the system's authorities are trusted"):
            await RegistryClient(RegistrySettings(url=server.url)).check()


async def test_tls_where_there_is_none(server: RegistryServer) -> None:
    url = server.url.replace("http:", "https:")
    with pytest.raises(RegistryError, match=r"does not speak TLS there: set registry\.url to http://"):
        await RegistryClient(RegistrySettings(url=url)).check()


def test_a_file_that_holds_no_certificates(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match=r"registry\.ca_file=.*: can't be read: No such file"):
        RegistryClient(RegistrySettings(ca_file=str(file)))
    file.write_text("none")
    with pytest.raises(SettingsError, match=r"registry\.ca_file=.*: no certificates in PEM format"):
        RegistryClient(RegistrySettings(ca_file=str(file)))

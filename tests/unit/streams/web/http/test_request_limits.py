import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from streams.settings.settings import load_settings
from streams.web.http import request_limits
from streams.web.http.problems import Problem
from streams.web.http.request_limits import RequestLimits, TokenBuckets, _client, _is_loopback_host


def test_a_burst_is_allowed_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("streams.web.http.request_limits.time.monotonic", lambda: now_s)
    buckets = TokenBuckets(5.0)
    assert [buckets.wait_s("a") for _ in range(11)] == [*[0.0] * 10, pytest.approx(0.2)]
    assert buckets.wait_s("b") == 0.0
    now_s += 0.3
    assert [buckets.wait_s("a") for _ in range(2)] == [0.0, pytest.approx(0.1)]


def test_clients_unseen_for_longest_are_forgotten() -> None:
    buckets = TokenBuckets(0.001)
    assert buckets.wait_s("first") == 0.0
    assert buckets.wait_s("first") > 0.0
    for number in range(10_000):
        buckets.wait_s(str(number))
    assert buckets.wait_s("first") == 0.0


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1:8080", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:8080", True), ("[::1]", True),
     ("a.localhost:80", True), ("evil.example", False), ("localhost.evil.example", False),
     ("127.0.0.1.evil.example", False), ("", False), ("10.0.0.1:8080", False)],
)  # fmt: skip
def test_only_names_of_loopback_are_such(host: str, is_loopback: bool) -> None:
    assert _is_loopback_host(host) is is_loopback


def test_an_ipv6_network_is_one_client() -> None:
    assert _client({"client": ("2001:db8::1", 1)}) == _client({"client": ("2001:db8::ffff:1", 2)})
    assert _client({"client": ("2001:db8:0:1::1", 1)}) != _client({"client": ("2001:db8::1", 1)})
    assert _client({"client": ("10.0.0.1", 1)}) == "10.0.0.1"
    assert _client({"client": None}) == ""


async def answer(messages: Sequence[Message], *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """What an application that reads the body answers: 200, or the problem."""
    sent: list[Message] = []
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()  # for ever
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    limited = RequestLimits(app, load_settings(None, ["web.max_body_bytes=1024"]).web)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost"), *headers]}
    await limited(scope, receive, send)
    return {"status": sent[0]["status"], **orjson.loads(sent[1]["body"])}


def part(size: int, more: bool) -> Message:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


async def test_a_body_is_bounded_with_and_without_a_length() -> None:
    assert (await answer([part(1000, True), part(24, False)]))["status"] == 200
    chunked = await answer([part(1000, True), part(25, False)])
    assert (chunked["status"], chunked["detail"]) == (413, "a body has at most 1024 bytes (web.max_body_bytes)")
    for length in (b"1025", b"-1", b"x"):
        assert (await answer([part(1, False)], (b"content-length", length)))["status"] == 413


async def test_a_body_that_does_not_come_ends_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "_BODY_TIMEOUT_S", 0.05)
    assert (await answer([part(1, True)]))["status"] == 408


def test_problems_have_the_standards_form() -> None:
    response = Problem(429, "slower", {"Retry-After": "3"}, errors=[]).response()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "3"
    assert orjson.loads(response.body) == {
        "type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "slower", "errors": [],
    }  # fmt: skip

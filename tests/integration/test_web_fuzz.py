"""The API fuzzed by its own OpenAPI document: no answer is a bug, and each is as the document says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.web.server import WebServer
from tests.integration.web_site import WebSite, ready
from tests.unit.streams.web.predictions import prediction

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def url(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two users, in a thread."""
    folder = tmp_path_factory.mktemp("fuzz")
    site = WebSite.on(kafka.bootstrap_servers, f"test-{folder.name}-{id(folder)}", folder)
    server = WebServer(site.settings)
    loop = asyncio.new_event_loop()

    async def fill() -> None:
        await site.create()
        await ensure_topics(site.settings, [site.settings.topics.interest_decisions])
        await site.describe(i1=["One", "Drama"])
        await site.predict(prediction("u1", 1), prediction("u2", 2))

    async def serve() -> None:
        await fill()
        await server.serve()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()

    async def wait() -> None:
        async with httpx.AsyncClient(base_url=server.url) as client:
            await ready(client)

    asyncio.run(wait())
    yield server.url
    loop.call_soon_threadsafe(server.stop)
    thread.join()
    loop.close()
    server.close()


@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
def test_every_route_answers_as_its_document_says(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    routes = {f"{operation.method.upper()} {operation.path}" for operation in operations}
    assert {"POST /v1/events", "DELETE /v1/users/{user_id}", "GET /v1/users/{user_id}/interests"} <= routes
    assert len(routes) >= 18
    for operation in operations:
        if operation.path == "/v1/stream":
            continue  # does not end
        strategy = st.one_of(operation.as_strategy(), operation.as_strategy(schemathesis.GenerationMode.NEGATIVE))

        @settings(
            max_examples=8,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(case=strategy)
        def fuzz(case: Any) -> None:
            case.call_and_validate(base_url=url, checks=CHECKS)

        fuzz()

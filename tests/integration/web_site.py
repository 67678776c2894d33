"""A web server of the tests, in the test's own process, on topics of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from streams.kafka.publisher import Publisher
from streams.kafka.reader import partition_of
from streams.kafka.topics import ensure_topics
from streams.schema.predictions import Prediction
from streams.settings.settings import Settings, load_settings
from streams.web.server import WebServer
from tests.integration.deployment import Deployment
from tests.integration.worker import DEADLINE_S, poll
from tests.topics import TOPIC_SETTINGS
from tests.unit.streams.web.predictions import encoded


class WebProcess:
    """`interest-stream web` in a process of its own, without torch, which takes long to import."""

    def __init__(self, overrides: Sequence[str], log: Path) -> None:
        self._log = log
        command = [sys.executable, "-m", "streams.cli", "web", *(f"--set={override}" for override in overrides)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)

    async def url(self) -> str:
        """Where it listens."""
        await poll(lambda: "listening at " in self.text() or self._process.poll() is not None, "listens")
        assert self._process.poll() is None, self.text()
        return self.text().partition("listening at ")[2].split()[0]

    def text(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    async def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, DEADLINE_S)

    def kill(self) -> None:
        """Gone at once."""
        self._process.kill()
        self._process.wait()


class WebSite:
    """Topics named by a prefix, and servers that follow them."""

    def __init__(self, folder: Path, overrides: Sequence[str]) -> None:
        self.folder = folder
        self.processes: list[WebProcess] = []
        self._overrides = [*overrides, f"web.data_dir={folder / 'web'}", "web.port=0", "web.requests_per_s=0"]
        self.settings = self.with_overrides()

    @classmethod
    def on(cls, servers: str, prefix: str, folder: Path) -> WebSite:
        """On topics of its own, whose names begin with the prefix."""
        topics = (f"topics.{name}={prefix}-{name}" for name in TOPIC_SETTINGS)
        settings = f"kafka.bootstrap_servers={servers}", f"kafka.group_id={prefix}", "topics.partitions=2"
        return cls(folder, [*settings, *topics])

    @classmethod
    def of(cls, site: Deployment) -> WebSite:
        """Beside the workers of a deployment."""
        return cls(site.folder, site.overrides("web"))

    def with_overrides(self, *overrides: str) -> Settings:
        """The settings of a server."""
        return load_settings(None, self.overrides(*overrides))

    def overrides(self, *overrides: str) -> list[str]:
        """The same, as for --set."""
        return [*self._overrides, *overrides]

    async def create(self) -> WebSite:
        """The topics exist."""
        await ensure_topics(self.settings)
        return self

    async def send(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """The records are acknowledged."""
        async with Publisher(self.settings.kafka, topic) as publisher:
            await publisher.send(list(records))

    async def predict(self, *predictions: Prediction) -> None:
        """Workers have written these."""
        await self.send(self.settings.topics.interest_predictions, map(encoded, predictions))

    async def erase(self, *users: str) -> None:
        """A worker has written that these users are erased."""
        topic, partitions = self.settings.topics.interest_predictions, self.settings.topics.partitions
        async with AIOKafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap_servers) as producer:
            for user in users:
                key = user.encode()
                await producer.send_and_wait(topic, None, key=key, partition=partition_of(key, partitions))

    async def describe(self, **items: Sequence[str]) -> None:
        """The catalog has these items: title, then categories."""
        records = [
            (item.encode(), msgspec.json.encode({"title": title, "categories": categories}))
            for item, (title, *categories) in items.items()
        ]
        await self.send(self.settings.topics.item_catalog, records)

    def process(self, *overrides: str) -> WebProcess:
        """A server in a process of its own, killed at the test's end."""
        log = self.folder / f"web-{len(self.processes)}.log"
        self.processes.append(WebProcess(self.overrides(*overrides), log))
        return self.processes[-1]

    @asynccontextmanager
    async def serve(self, *overrides: str, is_ready: bool = True) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a server whose view is as the topics are, or may not be."""
        server = WebServer(self.with_overrides(*overrides))
        serving = asyncio.create_task(server.serve())
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
                if is_ready:
                    await ready(client, serving)
                yield client
        finally:
            server.stop()
            try:
                await serving
            finally:
                server.close()


async def ready(client: httpx.AsyncClient, serving: asyncio.Task[None] | None = None) -> None:
    """The server's view is as the topics are."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if serving is not None and serving.done():
                serving.result()
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)


async def eventually(client: httpx.AsyncClient, path: str, is_so: Callable[[Any], object]) -> Any:
    """The answer once this holds of it."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_so(body := (await client.get(path)).json()):
            await asyncio.sleep(0.02)
    return body


async def until(client: httpx.AsyncClient, path: str, field: str, value: object) -> Any:
    """The answer once its field is this."""
    return await eventually(client, path, lambda body: body.get(field) == value)

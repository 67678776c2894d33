"""Deployments for the integration tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.local_kafka.cluster import LocalKafka
from tests.integration.deployment import Deploy, Deployment
from tests.integration.ingesting import IngestSite
from tests.integration.worker import Command, killed_at_end


@pytest.fixture
def deploy(kafka: LocalKafka, prefix: str, tmp_path: Path) -> Iterator[Deploy]:
    """Makes deployments on the shared broker, with settings such as "section.key=value"."""
    with ExitStack() as stack:
        made: list[Deployment] = []

        async def new(*overrides: str) -> Deployment:
            name = f"{prefix}-{len(made)}"
            folder = tmp_path / str(len(made))
            folder.mkdir()
            deployment = Deployment(kafka.bootstrap_servers, name, folder, overrides)
            made.append(deployment)
            stack.enter_context(killed_at_end(deployment.workers))
            stack.enter_context(killed_at_end(deployment.trainers))
            return await deployment.create()

        yield new


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A Kafka that the test starts and ends as it likes."""
    kafka = LocalKafka(tmp_path / "kafka")
    yield kafka
    kafka.stop()


@pytest.fixture
def site(own_kafka: LocalKafka, prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment on it, without its topics."""
    deployment = Deployment(own_kafka.bootstrap_servers, prefix, tmp_path)
    with killed_at_end(deployment.workers), killed_at_end(deployment.trainers):
        yield deployment


@pytest.fixture
async def ingest(deploy: Deploy) -> AsyncIterator[IngestSite]:
    """A deployment beside topics that are keyed otherwise."""
    processes: list[Command] = []
    with killed_at_end(processes):
        yield await IngestSite(await deploy("worker.step_max_events=1000"), processes).create()

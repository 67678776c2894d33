"""The cluster that contract tests share; the broker itself comes from `tests/conftest.py`."""

from typing import Protocol

import pytest

from tests.contracts.cluster import Cluster


class Broker(Protocol):
    bootstrap_servers: str


@pytest.fixture
def cluster(kafka: Broker) -> Cluster:
    return Cluster(kafka.bootstrap_servers)

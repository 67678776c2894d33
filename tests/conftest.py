"""What all tests share: one real Kafka for the session, and names that no other test uses."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from streams.local_kafka.cluster import LocalKafka

# What a busy machine takes long for says nothing of the code.
settings.register_profile("quiet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quiet")


@pytest.fixture(scope="session")
def kafka() -> Iterator[LocalKafka]:
    """A running one-node Kafka; started by the first test that asks for it, gone with its data at the end.

    Tests that stop or freeze a node start a LocalKafka of their own.
    """
    with LocalKafka() as running:
        yield running


@pytest.fixture
def prefix() -> str:
    """Beginning of the topic names, group ids and transactional ids of one test."""
    return f"test-{uuid.uuid4().hex[:12]}"

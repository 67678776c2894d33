"""aiokafka's metadata requests, which create topics unless they are told not to."""

from typing import Any

from aiokafka import client
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v5

import streams.kafka  # noqa: F401 - what it does to aiokafka is tested


def test_requests_of_aiokafka_create_topics() -> None:
    """When it fails: aiokafka asks otherwise by now, and streams/kafka/__init__.py may have nothing left to do."""
    request: Any = MetadataRequest(["topic"]).build(MetadataRequest_v5)
    assert request.allow_auto_topic_creation is True


def test_those_of_our_clients_do_not() -> None:
    used: Any = vars(client)["MetadataRequest"]
    assert used(["topic"]).build(MetadataRequest_v5).allow_auto_topic_creation is False
    assert used([]).build(MetadataRequest_v5).topics == []

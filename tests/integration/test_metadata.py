from __future__ import annotations

from typing import Any

import pytest

from streams.kafka.client.metadata import OPERATIONS, TopicMetadata, describe_topics
from streams.kafka.client.metadata_request import MetadataRequestV8, MetadataRequestV10, TopicMetadataRequest
from streams.local_kafka.cluster import LocalKafka
from streams.settings.sections import KafkaSettings
from tests.topics import create_topics

METADATA = TopicMetadataRequest.API_KEY


async def described(
    kafka: LocalKafka, prefix: str, highest_version: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[TopicMetadata, TopicMetadata, list[type]]:
    """A topic and one that does not exist, as a broker with that highest version describes them; requests sent."""
    requests: list[type] = []
    prepare: Any = TopicMetadataRequest.prepare

    def prepare_older(request: Any, versions: dict[int, tuple[int, int]]) -> Any:
        prepared = prepare(request, versions | {METADATA: (0, highest_version)})
        requests.append(type(prepared))
        return prepared

    await create_topics(kafka.bootstrap_servers, {prefix: 3})
    monkeypatch.setattr(TopicMetadataRequest, "prepare", prepare_older)
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    topics = await describe_topics(settings, [prefix, f"{prefix}-none"])
    topics_again = await describe_topics(settings, [prefix, f"{prefix}-none"])
    assert topics == topics_again  # nothing was created
    return topics[prefix], topics[f"{prefix}-none"], requests


@pytest.mark.parametrize("highest_version", [13, 10])
async def test_a_topic_has_id_partitions_and_operations(
    kafka: LocalKafka, prefix: str, highest_version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, missing, requests = await described(kafka, prefix, highest_version, monkeypatch)
    assert set(requests) == {MetadataRequestV10}
    assert (topic.exists, topic.describable, topic.partitions) == (True, True, 3)
    assert len(topic.topic_id) == 36
    assert topic.operations > 0
    assert all(topic.allows(operation) for operation in OPERATIONS if operation != "IdempotentWrite")
    assert not topic.allows("IdempotentWrite")  # of a cluster
    assert (missing.exists, missing.describable, missing.partitions, missing.topic_id) == (False, True, 0, "")


async def test_brokers_before_2_8_give_no_id(kafka: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, missing, requests = await described(kafka, prefix, 9, monkeypatch)
    assert set(requests) == {MetadataRequestV8}
    assert (topic.exists, topic.describable, topic.partitions, topic.topic_id) == (True, True, 3, "")
    assert topic.allows("Read")
    assert not topic.allows("IdempotentWrite")
    assert (missing.exists, missing.describable) == (False, True)

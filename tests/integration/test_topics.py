import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.errors import TopicError
from streams.kafka.topic_specs import CHANGELOG_DELETE_RETENTION_MS, topic_specs
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.settings.sections import KafkaSettings, TopicSettings
from streams.settings.settings import Settings
from tests.topics import create_topics


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=prefix),
        topics=TopicSettings(
            user_events=f"{prefix}-events",
            interest_predictions=f"{prefix}-predictions",
            user_events_dlq=f"{prefix}-dlq",
            item_index=f"{prefix}-index",
            item_catalog=f"{prefix}-catalog",
            interest_quality=f"{prefix}-quality",
            model_releases=f"{prefix}-releases",
            partitions=3,
        ),
    )


@pytest.fixture
async def admin(kafka: LocalKafka) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await client.start()
    yield client
    await client.close()


async def create(settings: Settings, partitions: dict[str, int], config: dict[str, str] | None = None) -> None:
    await create_topics(settings.kafka.bootstrap_servers, partitions, config=config)


async def test_missing_topics_are_created_and_then_found_good(settings: Settings) -> None:
    first = await ensure_topics(settings)
    assert {report.outcome for report in first} == {"created"}
    assert [
        (report.name.removeprefix(settings.kafka.group_id), report.partitions, report.policy) for report in first
    ] == [
        ("-events", 3, "delete"),
        ("-predictions", 3, "compact,delete"),
        ("-dlq", 3, "delete"),
        ("-user-state-changelog", 3, "compact"),
        ("-index", 1, "delete"),
        ("-catalog", 1, "compact"),
        ("-quality", 1, "compact,delete"),
        ("-releases", 1, "compact"),
    ]
    assert await ensure_topics(settings) == tuple(replace(report, outcome="ok") for report in first)


async def test_every_setting_of_every_topic_takes_effect(settings: Settings, admin: AIOKafkaAdminClient) -> None:
    await ensure_topics(settings)
    for spec in topic_specs(settings):
        answers: list[Any] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name)])
        effective = {entry[0]: entry[1] for entry in answers[0].resources[0][4]}
        assert {name: effective[name] for name in spec.configs} == spec.configs


async def test_two_workers_that_start_together_both_find_the_topics(settings: Settings) -> None:
    both = await asyncio.gather(ensure_topics(settings), ensure_topics(settings))
    for reports in zip(*both, strict=True):
        assert sorted(report.outcome for report in reports) in (["created", "ok"], ["ok", "ok"])
        assert reports[0].partitions == reports[1].partitions


async def test_an_input_that_has_been_given_more_partitions_is_refused(
    settings: Settings, admin: AIOKafkaAdminClient
) -> None:
    await ensure_topics(settings)
    await admin.create_partitions({settings.topics.user_events: NewPartitions(5)})
    while len((await admin.describe_topics([settings.topics.user_events]))[0]["partitions"]) < 5:
        await asyncio.sleep(0.02)
    with pytest.raises(TopicError, match=r"-events has 5 partitions, must have 3: .*--set topics\.partitions=5"):
        await ensure_topics(settings)


async def test_an_item_index_of_two_partitions_is_refused(settings: Settings) -> None:
    await create(settings, {settings.topics.item_index: 2}, {"retention.ms": "-1"})
    with pytest.raises(TopicError, match=r"-index has 2 partitions, must have 1: .*--set topics\.item_index=NAME"):
        await ensure_topics(settings)


async def test_an_input_with_the_broker_s_defaults_and_a_catalog_of_any_width_are_taken(settings: Settings) -> None:
    await create(settings, {settings.topics.user_events: 3, settings.topics.user_events_dlq: 3})
    await create(settings, {settings.topics.item_catalog: 4}, {"cleanup.policy": "compact"})
    outcomes = {report.name: report.outcome for report in await ensure_topics(settings)}
    taken = {name for name, outcome in outcomes.items() if outcome == "ok"}
    assert taken == {settings.topics.user_events, settings.topics.user_events_dlq, settings.topics.item_catalog}


async def test_policies_in_another_order_are_the_same(settings: Settings) -> None:
    await create(settings, {settings.topics.interest_predictions: 3}, {"cleanup.policy": "delete,compact"})
    await ensure_topics(settings)


async def test_every_wrong_config_is_named_with_the_command_that_mends_it(settings: Settings) -> None:
    changelog = {"cleanup.policy": "delete", "max.message.bytes": "1000", "delete.retention.ms": "60000"}
    await create(settings, {settings.changelog_topic: 3}, changelog)
    await create(settings, {settings.topics.item_index: 1})
    with pytest.raises(TopicError) as caught:
        await ensure_topics(settings)
    message = str(caught.value)
    assert "has cleanup.policy=delete, must have compact" in message
    assert "has max.message.bytes=1000, must have at least 1048576" in message
    assert f"has delete.retention.ms=60000, must have at least {CHANGELOG_DELETE_RETENTION_MS}" in message
    assert (
        f"kafka-configs.sh --bootstrap-server {settings.kafka.bootstrap_servers} --alter --entity-type topics "
        f"--entity-name {settings.changelog_topic} --add-config 'cleanup.policy=[compact],max.message.bytes=[1048576],"
        f"delete.retention.ms=[{CHANGELOG_DELETE_RETENTION_MS}]'" in message
    )
    assert "-index has retention.ms=604800000, must have -1" in message


async def test_a_refused_creation_says_why_and_how_to_create_it(settings: Settings) -> None:
    wider = replace(settings, topics=replace(settings.topics, replication=3))
    with pytest.raises(TopicError) as caught:
        await ensure_topics(wider)
    message = str(caught.value)
    assert "InvalidReplicationFactorError" in message
    assert f"kafka-topics.sh --bootstrap-server {settings.kafka.bootstrap_servers} --create" in message
    assert "--replication-factor 3" in message
    assert "--config min.insync.replicas=2" in message


async def test_no_broker_is_an_error_that_names_the_address() -> None:
    nowhere = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    with pytest.raises(TopicError, match=r"no broker answers at 127\.0\.0\.1:1"):
        await ensure_topics(nowhere)

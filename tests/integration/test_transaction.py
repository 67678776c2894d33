from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import TransactionFailed
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.reader import read_topic
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.local_kafka.cluster import LocalKafka
from streams.settings.sections import KafkaSettings
from tests.topics import create_topics


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=prefix)


@pytest.fixture
async def topic(settings: KafkaSettings) -> str:
    name = f"{settings.group_id}-out"
    await create_topics(settings.bootstrap_servers, {name: 2})
    return name


@pytest.fixture
async def writer(settings: KafkaSettings) -> AsyncIterator[TransactionWriter]:
    writer = TransactionWriter(settings)
    await writer.start()
    yield writer
    await writer.stop()


@pytest.fixture
async def member(settings: KafkaSettings, topic: str) -> AsyncIterator[ConsumerGroupMetadata]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=settings.bootstrap_servers, group_id=settings.group_id)
    await consumer.start()
    coordinator: Any = consumer._coordinator
    yield ConsumerGroupMetadata(settings.group_id, coordinator.generation, coordinator.member_id)
    await consumer.stop()


@pytest.fixture
def nobody(settings: KafkaSettings) -> ConsumerGroupMetadata:
    return ConsumerGroupMetadata(settings.group_id, 7, "a-member-that-never-joined")


async def values(settings: KafkaSettings, topic: str) -> list[bytes | None]:
    return [record.value async for record in read_topic(settings, topic, settled=True)]


async def test_a_refused_member_makes_nothing_visible_and_the_next_producer_works(
    settings: KafkaSettings, topic: str, writer: TransactionWriter, nobody: ConsumerGroupMetadata
) -> None:
    tp = TopicPartition(topic, 0)
    offsets = {tp: 1}
    with pytest.raises(TransactionFailed):
        await writer.write({tp: [ProducerRecord(b"k", b"lost")]}, offsets, nobody)
    await writer.restart()
    with pytest.raises(TransactionFailed):
        await writer.write({tp: [ProducerRecord(b"k", b"lost too")]}, offsets, nobody)
    await writer.restart()
    assert await values(settings, topic) == []


async def test_records_of_several_batches_arrive_in_order_and_the_end_offsets_are_returned(
    settings: KafkaSettings, topic: str, writer: TransactionWriter, member: ConsumerGroupMetadata
) -> None:
    # More than one batch of the largest size, and partitions side by side.
    big = [ProducerRecord(str(i).encode(), b"%06d" % i + bytes(200_000)) for i in range(12)]
    tps = TopicPartition(topic, 0), TopicPartition(topic, 1)
    ends = await writer.write(
        {tps[0]: big, tps[1]: [ProducerRecord(b"k", b"v", [("h", b"1")], 1234)]}, {tps[0]: 5}, member
    )
    assert ends == {tps[0]: 12, tps[1]: 1}
    assert await writer.write({tps[0]: [ProducerRecord(b"k", None)]}, {tps[0]: 6}, member) == {
        tps[0]: 14
    }  # 12 is the marker
    read = [record async for record in read_topic(settings, topic, settled=True)]
    assert [r.value[:6] for r in read if r.partition == 0 and r.value] == [b"%06d" % i for i in range(12)]
    assert [(r.headers, r.timestamp) for r in read if r.partition == 1] == [((("h", b"1"),), 1234)]

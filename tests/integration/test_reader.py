import asyncio
from collections import defaultdict

import pytest
from aiokafka import AIOKafkaProducer

from streams.errors import TopicError
from streams.kafka.publisher import BATCH_BYTES, Publisher
from streams.kafka.reader import partition_count, partition_of, read_topic
from streams.local_kafka.cluster import LocalKafka
from streams.settings.sections import KafkaSettings
from streams.settings.settings import load_settings
from streams.terminal.titles import ItemTitles
from tests.topics import create_topics

PARTITIONS = 3


@pytest.fixture
async def topic(kafka: LocalKafka, prefix: str) -> str:
    await create_topics(kafka.bootstrap_servers, {prefix: PARTITIONS})
    return prefix


def settings_of(kafka: LocalKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)


async def values(kafka: LocalKafka, topic: str, *, settled: bool = False) -> list[bytes | None]:
    return [record.value async for record in read_topic(settings_of(kafka), topic, settled=settled)]


def transactional(kafka: LocalKafka, topic: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{topic}-writer")


async def test_partitions_are_counted(kafka: LocalKafka, topic: str) -> None:
    assert await partition_count(settings_of(kafka), topic) == PARTITIONS
    with pytest.raises(TopicError, match=r"does not exist .*interest-stream topics"):
        await partition_count(settings_of(kafka), f"{topic}-none")


@pytest.mark.parametrize("partition", [-1, PARTITIONS])
async def test_a_partition_that_does_not_exist_is_an_error_at_once(
    kafka: LocalKafka, topic: str, partition: int
) -> None:
    with pytest.raises(TopicError, match=f"{topic} has 3 partitions, from 0 on: there is no partition {partition}"):
        [record async for record in read_topic(settings_of(kafka), topic, partitions=[0, partition])]


async def test_an_empty_topic_ends_at_once(kafka: LocalKafka, topic: str) -> None:
    assert await values(kafka, topic) == []


async def test_all_that_was_published_is_read_in_order_of_each_key(kafka: LocalKafka, topic: str) -> None:
    records = [(f"k{n % 7}".encode(), str(n).encode()) for n in range(5_000)]
    async with Publisher(settings_of(kafka), topic) as publisher:
        for start in range(0, len(records), 700):
            await publisher.send(records[start : start + 700])
    read: dict[bytes | None, list[int]] = defaultdict(list)
    async for record in read_topic(settings_of(kafka), topic):
        assert record.partition == partition_of(record.key or b"", PARTITIONS)
        read[record.key].append(int(record.value or b""))
    assert read == {f"k{k}".encode(): list(range(k, 5_000, 7)) for k in range(7)}


async def test_records_larger_together_than_a_batch_are_split(kafka: LocalKafka, topic: str) -> None:
    size = BATCH_BYTES // 3
    async with Publisher(settings_of(kafka), topic) as publisher:
        await publisher.send([(b"k", bytes([n]) * size) for n in range(7)])
    assert await values(kafka, topic) == [bytes([n]) * size for n in range(7)]


async def test_keys_go_where_kafkas_own_clients_send_them(kafka: LocalKafka, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    sent = [await producer.send_and_wait(topic, b"", key=str(n).encode()) for n in range(50)]
    await producer.stop()
    assert [metadata.partition for metadata in sent] == [partition_of(str(n).encode(), PARTITIONS) for n in range(50)]


async def test_the_end_is_found_behind_the_markers_of_transactions(kafka: LocalKafka, topic: str) -> None:
    producer = transactional(kafka, topic)
    await producer.start()
    for commit in (True, False):
        await producer.begin_transaction()
        await producer.send(topic, b"committed" if commit else b"aborted", partition=0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    await producer.stop()
    assert await values(kafka, topic) == await values(kafka, topic, settled=True) == [b"committed"]


async def test_an_open_transaction_is_waited_for_where_asked(kafka: LocalKafka, topic: str) -> None:
    producer = transactional(kafka, topic)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"open", partition=0)
    assert await values(kafka, topic) == []
    reading = asyncio.create_task(values(kafka, topic, settled=True))
    await asyncio.sleep(0.5)
    assert not reading.done()
    await producer.commit_transaction()
    assert await asyncio.wait_for(reading, 120) == [b"open"]
    await producer.stop()


async def test_titles_follow_the_catalog(kafka: LocalKafka, topic: str) -> None:
    async with Publisher(settings_of(kafka), topic) as publisher:
        await publisher.send([(b"i1", b'{"title": "One", "categories": ["A"]}'), (b"i2", b"no item")])
        overrides = [f"kafka.bootstrap_servers={kafka.bootstrap_servers}", f"topics.item_catalog={topic}"]
        async with ItemTitles(load_settings(None, overrides)) as titles:
            assert [titles("i1"), titles("i2"), titles("i3")] == ["One", "i2", "i3"]
            assert (titles.categories("i1"), titles.categories("i3")) == (("A",), ())
            await publisher.send([(b"i1", b'{"title": "Uno"}'), (b"i3", b'{"title": ""}')])
            await titles.refresh()
            assert [titles("i1"), titles("i3")] == ["Uno", "i3"]
            await forget(kafka, topic, b"i1")
            await titles.refresh()
            assert titles("i1") == "i1"


async def forget(kafka: LocalKafka, topic: str, key: bytes) -> None:
    """A tombstone."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(topic, None, key=key)
    await producer.stop()

"""aiokafka's batch builder: whole batches made here and sent as they are, which is what makes a step cheap."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from tests.contracts.cluster import Cluster


async def test_a_full_builder_answers_none_and_is_closed_for_good(cluster: Cluster) -> None:
    """The writer starts the next builder at the first None: the refused record is not in, and none goes in after it.

    When it fails: a builder may raise or split by itself; the writer's loop over builders changes.
    """
    async with cluster.producer(max_batch_size=1000) as producer:
        batch = producer.create_batch()
        assert batch.append(timestamp=None, key=b"k", value=b"x" * 600) is not None
        assert batch.append(timestamp=None, key=b"k", value=b"x" * 600) is None
        assert batch.append(timestamp=None, key=b"k", value=b"x") is None
        assert batch.closed()
        assert batch.record_count() == 1
        assert batch.size() <= 1000


async def test_the_first_record_is_taken_whatever_its_size_and_send_batch_checks_no_limit(cluster: Cluster) -> None:
    """A record over the limit is found before it is appended: only `send` compares with `max_request_size`.

    When it fails: the builder refuses it, and a loop that opens a new builder on None would never end.
    """
    topic = await cluster.create_topic()
    async with cluster.producer(max_batch_size=1000, max_request_size=2000) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send(topic, b"x" * 5000)
        batch = producer.create_batch()
        assert batch.append(timestamp=None, key=b"k", value=b"x" * 5000) is not None
        await (await producer.send_batch(batch, topic, partition=0))
    assert await cluster.read_committed(topic, 1) == [b"x" * 5000]


async def test_a_batch_keeps_time_in_ms_headers_and_tombstones(cluster: Cluster) -> None:
    """Predictions carry times and headers, an erased user a tombstone, all through the builder.

    aiokafka's documentation says seconds for the timestamp; it is milliseconds. When it fails: check the unit first.
    """
    topic = await cluster.create_topic()
    async with cluster.producer() as producer:
        batch = producer.create_batch()
        batch.append(timestamp=1_731_900_000_123, key=b"a", value=b"1", headers=[("reason", b"why")])
        batch.append(timestamp=1_731_900_000_124, key=b"b", value=None)
        metadata = await (await producer.send_batch(batch, topic, partition=0))
    tp = TopicPartition(topic, 0)
    async with cluster.consumer() as consumer:
        consumer.assign([tp])
        first, second = (await consumer.getmany(tp, timeout_ms=5000))[tp]
    assert (first.timestamp, first.key, first.value, first.headers) == (
        1_731_900_000_123,
        b"a",
        b"1",
        (("reason", b"why"),),
    )
    assert (second.timestamp, second.key, second.value) == (1_731_900_000_124, b"b", None)
    assert metadata.offset == first.offset


async def test_a_builder_of_a_plain_producer_is_not_part_of_the_transaction(cluster: Cluster) -> None:
    """Builders come from the producer that sends them: a foreign one is not kept back until the commit.

    When it fails: builders may be shared between producers, or need a flag of their batch_builder.
    """
    topic = await cluster.create_topic()
    async with cluster.producer() as plain, cluster.producer(cluster.name("txn")) as transactional:
        foreign = plain.create_batch()
        foreign.append(timestamp=None, key=b"k", value=b"foreign")
        await transactional.begin_transaction()
        await (await transactional.send_batch(foreign, topic, partition=0))
        batch_builder = transactional.create_batch()
        batch_builder.append(timestamp=None, key=b"k", value=b"batch_builder")
        await (await transactional.send_batch(batch_builder, topic, partition=0))
        await transactional.abort_transaction()
    assert await cluster.read_committed(topic, 1) == [b"foreign"]

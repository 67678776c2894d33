"""Ends, positions and stable offsets of transactional topics, as aiokafka's consumer reports them."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from tests.contracts.cluster import Cluster, Isolation, until


async def commit(cluster: Cluster, topic: str, *values: bytes) -> None:
    """In a transaction that begins once the markers of the one before, of the same id, are written."""
    async with cluster.producer(topic) as producer, producer.transaction():
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k")


async def read_once(consumer: Any, tp: TopicPartition) -> list[int]:
    """Offsets of what one fetch gave, waiting for it a second at the most."""
    return [record.offset for record in (await consumer.getmany(tp, timeout_ms=1000)).get(tp, [])]


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_the_position_passes_a_marker_that_no_reader_sees(cluster: Cluster, isolation: Isolation) -> None:
    """A restore ends by `position()`, not by the offset of the last record: the last offset is a commit marker.

    So the lag of a consumer that commits "last record + 1" never reaches 0 on a transactional topic, and such topics
    have holes at every commit. When it fails: a restore that compares with the end may never end, or end early.
    """
    topic = await cluster.create_topic()
    tp = TopicPartition(topic, 0)
    await commit(cluster, topic, b"a", b"b")
    await commit(cluster, topic, b"c")
    async with cluster.consumer(isolation_level=isolation) as consumer:
        consumer.assign([tp])
        offsets: list[int] = []
        while len(offsets) < 3:
            offsets += await read_once(consumer, tp)
        assert offsets == [0, 1, 3]
        assert (await consumer.end_offsets([tp]))[tp] == 5 > offsets[-1] + 1
        assert await consumer.getmany(tp, timeout_ms=50) == {}
        assert await consumer.position(tp) == 5


async def test_end_offsets_stop_at_an_open_transaction_for_read_committed_alone(cluster: Cluster) -> None:
    """`end_offsets` is the high watermark to a read_uncommitted consumer, the last stable offset to the other.

    wait_for_stable_offset compares the two. When it fails: ask with OffsetRequest and an isolation level of our own.
    """
    topic = await cluster.create_topic()
    await commit(cluster, topic, b"a")
    async with cluster.producer(cluster.name("txn")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"open")
        assert await cluster.end_offset(topic, "read_uncommitted") == 3
        assert await cluster.end_offset(topic, "read_committed") == 2
        await producer.commit_transaction()
    assert await cluster.end_offset(topic, "read_committed") == await cluster.end_offset(topic, "read_uncommitted") == 4


@pytest.mark.parametrize(("isolation", "position"), [("read_committed", 2), ("read_uncommitted", 3)])
async def test_one_fetch_tells_high_watermark_and_last_stable_offset(
    cluster: Cluster, isolation: Isolation, position: int
) -> None:
    """`highwater` and `last_stable_offset` come from the same fetch, whatever the isolation level; None before it.

    aiokafka's documentation says -1 for read_uncommitted; this broker answers the real one. When it fails: only
    read_committed consumers know the stable offset, and the wait for silence needs two consumers.
    """
    topic = await cluster.create_topic()
    tp = TopicPartition(topic, 0)
    await commit(cluster, topic, b"a")
    async with cluster.producer(cluster.name("txn")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"open")
        async with cluster.consumer(isolation_level=isolation) as consumer:
            consumer.assign([tp])
            assert (consumer.highwater(tp), consumer.last_stable_offset(tp)) == (None, None)
            while await consumer.position(tp) < position:
                await read_once(consumer, tp)
            assert (consumer.highwater(tp), consumer.last_stable_offset(tp)) == (3, 2)


async def test_a_committed_offset_may_be_read_before_its_transaction_has_ended(cluster: Cluster) -> None:
    """OffsetFetch without require_stable ignores the offset of an open transaction and answers the older one.

    So the next offset comes from the changelog row alone. When it fails with an error or a wait: aiokafka asks for
    stable offsets; the row stays the truth.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    tp = TopicPartition(topic, 0)
    async with cluster.producer(cluster.name("txn")) as producer:
        async with producer.transaction():
            await producer.send_offsets_to_transaction({tp: 3}, group)
        await until(lambda: cluster.committed(group, topic))
        async with producer.transaction():
            await producer.send_offsets_to_transaction({tp: 8}, group)
            assert await cluster.committed(group, topic) == 3


async def test_a_transaction_past_its_timeout_fences_its_own_producer(cluster: Cluster) -> None:
    """ProducerFenced also means "timed out", so it proves no successor; and readers wait timeout plus up to 10 s.

    The broker looks for such transactions every 10 s. When it fails: name the new error in the table of outcomes.
    """
    topic = await cluster.create_topic()
    async with cluster.producer(cluster.name("txn"), transaction_timeout_ms=100) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"late")
        await until(lambda: cluster.end_offset(topic, "read_committed"))
        with pytest.raises(ProducerFenced, match="transaction timeout occurred"):
            await producer.commit_transaction()
    assert await cluster.read(topic, "read_committed") == []


async def test_the_client_waits_for_the_partitions_of_a_topic(cluster: Cluster) -> None:
    """`_client._wait_on_metadata(topic)` gives all partition numbers, also of a topic that nobody has asked for yet.

    When it fails: a follower reads a part of its log; ask the admin client for the partitions.
    """
    topic = await cluster.create_topic(partitions=3)
    async with cluster.consumer() as consumer:
        assert set(await consumer._client._wait_on_metadata(topic)) == {0, 1, 2}

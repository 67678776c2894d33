"""aiokafka's transactional producer on a real broker: what ends a transaction, and what only seems to."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    IllegalOperation,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
)
from aiokafka.producer import sender
from aiokafka.producer.transaction_manager import TransactionState

from tests.contracts.cluster import Cluster
from tests.contracts.fenced_offsets import fence_offsets


async def send_batch(producer: Any, topic: str, *values: bytes, partition: int = 0) -> Any:
    """The record metadata of one batch, awaited."""
    batch = producer.create_batch()
    for value in values:
        assert batch.append(timestamp=None, key=b"k", value=value) is not None
    batch.close()
    return await (await producer.send_batch(batch, topic, partition=partition))


async def test_batches_and_offsets_of_several_partitions_become_visible_at_once(cluster: Cluster) -> None:
    """A step's rows, predictions and source offsets are whole batches in one transaction.

    When it fails: `send_batch` no longer joins the transaction; send records one by one, at several times the cost.
    """
    topic, group = await cluster.create_topic(partitions=2), cluster.name("group")
    async with cluster.producer(cluster.name("txn")) as producer:
        await producer.begin_transaction()
        metadata = await send_batch(producer, topic, b"a", b"b")
        await send_batch(producer, topic, b"c", partition=1)
        await producer.send_offsets_to_transaction({TopicPartition(topic, 1): 7}, group)
        assert (metadata.partition, metadata.offset) == (0, 0)
        assert await cluster.read(topic, "read_committed") == []
        assert await cluster.read(topic, "read_uncommitted") == [b"a", b"b"]
        await producer.commit_transaction()
    assert await cluster.read_committed(topic, 2) == [b"a", b"b"]
    assert await cluster.read(topic, "read_committed", partition=1) == [b"c"]


async def test_abort_after_an_abortable_refusal_sends_nothing_and_the_next_commit_shows_the_refused_row(
    cluster: Cluster,
) -> None:
    """Never `abort_transaction` and go on: the producer is thrown away, and a new one with the same id ends the rest.

    aiokafka forgets the partitions of a transaction when it meets an abortable error, takes it for empty, and leaves it
    open on the broker. When it fails: aiokafka really aborts; throwing the producer away is still right, only slower.
    """
    topic, group = await cluster.create_topic(), cluster.name("group")
    async with cluster.producer(cluster.name("txn")) as producer:
        fence_offsets(producer, 7, "zombie", abortable=True)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"refused")
        with pytest.raises(IllegalGenerationError):
            await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, group)
        with pytest.raises(IllegalGenerationError):
            await producer.commit_transaction()
        await producer.abort_transaction()
        assert await cluster.end_offset(topic, "read_committed") < await cluster.end_offset(topic, "read_uncommitted")

        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"next")
        await producer.commit_transaction()
    assert await cluster.read_committed(topic, 2) == [b"refused", b"next"]


async def test_a_fatal_refusal_leaves_a_producer_that_can_only_be_replaced(cluster: Cluster) -> None:
    """A refusal that aiokafka's handler raises ends the sender; a new producer with the same id hides the refused row.

    The cause of the error names the refusal: the way out on which the write path relies. When it fails: read the cause
    elsewhere, and see whether stop and abort send anything now.
    """
    topic, group, transactional_id = await cluster.create_topic(), cluster.name("group"), cluster.name("txn")
    async with cluster.producer(transactional_id) as producer:
        fence_offsets(producer, 7, "zombie")
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"refused")
        with pytest.raises(KafkaError) as refusal:
            await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, group)
        assert isinstance(refusal.value.__cause__, IllegalGenerationError)
        assert producer._txn_manager.state is TransactionState.FATAL_ERROR
        assert producer._sender.sender_task.done()
        assert producer._txn_manager._transaction_waiter.exception() is not None, (
            "to be retrieved, or asyncio complains"
        )
        with pytest.raises(AssertionError):
            await producer.commit_transaction()
        with pytest.raises(AssertionError):
            await producer.abort_transaction()
        with pytest.raises(AssertionError):
            await producer.begin_transaction()
    assert await cluster.end_offset(topic, "read_committed") == 0

    async with cluster.producer(transactional_id) as successor, successor.transaction():
        await successor.send_and_wait(topic, b"next")
    assert await cluster.read_committed(topic, 1) == [b"next"]


async def send_offsets(producer: Any, topic: str, group: str) -> None:
    await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, group)


async def send_one(producer: Any, topic: str, value: str) -> None:
    await producer.send_and_wait(topic, value.encode())


async def send_one_batch(producer: Any, topic: str, value: str) -> None:
    await send_batch(producer, topic, value.encode())


@pytest.mark.parametrize("request_first", [send_one, send_one_batch, send_offsets])
async def test_a_fenced_producer_learns_it_from_the_first_request_of_a_transaction(
    cluster: Cluster, request_first: Callable[[Any, str, str], Awaitable[None]]
) -> None:
    """ProducerFenced on send and offsets, then AssertionError on commit and abort: both mean, throw the producer away.

    When it fails: name the new error in the table of outcomes; unknown ones end the producer anyway.
    """
    topic, transactional_id = await cluster.create_topic(), cluster.name("txn")
    async with cluster.producer(transactional_id) as fenced:
        await fenced.begin_transaction()
        async with cluster.producer(transactional_id):
            with pytest.raises(ProducerFenced):
                await request_first(fenced, topic, cluster.name("group"))
            with pytest.raises(AssertionError):
                await fenced.commit_transaction()
            with pytest.raises(AssertionError):
                await fenced.abort_transaction()
            with pytest.raises(IllegalOperation):
                await fenced.send_and_wait(topic, b"stale")
    assert await cluster.read(topic, "read_committed") == []


async def test_a_producer_fenced_in_mid_transaction_learns_it_from_the_commit(cluster: Cluster) -> None:
    """With its partitions already in the transaction the failed send is not fatal: commit still asks, and is refused.

    When it fails: the broker's answer to the commit of a fenced producer has changed; the write path must not take it
    for a success.
    """
    topic, transactional_id = await cluster.create_topic(), cluster.name("txn")
    async with cluster.producer(transactional_id) as fenced:
        await fenced.begin_transaction()
        await fenced.send_and_wait(topic, b"stale")
        async with cluster.producer(transactional_id):
            with pytest.raises(ProducerFenced):
                await fenced.send_and_wait(topic, b"stale")
            assert fenced._txn_manager.state is TransactionState.IN_TRANSACTION
            with pytest.raises(ProducerFenced):
                await fenced.commit_transaction()
            with pytest.raises(AssertionError):
                await fenced.abort_transaction()
    assert await cluster.read(topic, "read_committed") == []


async def test_an_empty_commit_never_asks_the_broker(cluster: Cluster) -> None:
    """A commit proves that the producer is current only when the transaction wrote something: the offset row, always.

    When it fails: an empty commit has become a proof too; nothing to do.
    """
    transactional_id = cluster.name("txn")
    async with cluster.producer(transactional_id) as fenced:
        await fenced.begin_transaction()
        async with cluster.producer(transactional_id):
            await fenced.commit_transaction()
            assert fenced._txn_manager.state is TransactionState.READY


async def test_a_commit_goes_through_although_a_batch_of_its_transaction_failed(cluster: Cluster) -> None:
    """Every acknowledgement is awaited before the commit: aiokafka commits the rest of a step whose batch was refused.

    When it fails: aiokafka remembers failed batches, as Java does; awaiting them stays the way to see which one.
    """
    topic = await cluster.create_topic(config={"max.message.bytes": "1000"})
    async with cluster.producer(cluster.name("txn")) as producer:
        await producer.begin_transaction()
        await send_batch(producer, topic, b"kept")
        with pytest.raises(MessageSizeTooLargeError):
            await send_batch(producer, topic, b"x" * 2000)
        await producer.commit_transaction()
    assert await cluster.read_committed(topic, 1) == [b"kept"]


async def test_a_new_producer_with_the_same_id_ends_a_hanging_transaction(cluster: Cluster) -> None:
    """Opening a partition ends the transaction of a dead predecessor so: InitProducerId aborts it, readers go on.

    When it fails: after a kill readers wait for the transaction timeout; look for another way to end it.
    """
    topic, transactional_id = await cluster.create_topic(), cluster.name("txn")
    async with cluster.producer(transactional_id, transaction_timeout_ms=600_000) as hanging:
        await hanging.begin_transaction()
        await hanging.send_and_wait(topic, b"hanging")
        await cluster.send(topic, [b"behind"])
        assert await cluster.read(topic, "read_committed") == []
        async with cluster.producer(transactional_id):
            assert await cluster.read_committed(topic, 1) == [b"behind"]
            stable = await cluster.end_offset(topic, "read_committed")
            assert stable == await cluster.end_offset(topic, "read_uncommitted") == 3


async def test_a_begin_right_after_a_commit_meets_concurrent_transactions(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps keep an interval: a transaction that follows at once waits in backoffs of 20 ms for the last one's markers.

    When it fails: the interval of 50 ms may be shortened; measure again.
    """
    answers: list[int] = []
    accept: Any = sender.AddPartitionsToTxnHandler.handle_response

    def spy(handler: Any, response: Any) -> Any:
        answers.extend(code for _, partitions in response.errors for _, code in partitions)
        return accept(handler, response)

    monkeypatch.setattr(sender.AddPartitionsToTxnHandler, "handle_response", spy)
    topic = await cluster.create_topic()
    async with cluster.producer(cluster.name("txn")) as producer:
        transactions, end = 0, time.monotonic() + 60
        # A broker on a busy machine may have written its markers before the next one begins.
        while transactions < 10 or (51 not in answers and time.monotonic() < end):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"row")
            transactions += 1
    assert answers.count(0) == transactions
    assert answers.count(51) > 0, "CONCURRENT_TRANSACTIONS"
    assert sender.BACKOFF_OVERRIDE == 0.02

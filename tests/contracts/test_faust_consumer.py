"""Faust's consumer between thread and agents: the hooks of the batch transport, and how a seek loses records."""

import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from faust.transport.consumer import Consumer as TopConsumer
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP, ConsumerMessage

from tests.contracts.cluster import Cluster, until
from tests.contracts.faust_app import new_app
from tests.contracts.faust_consumer import drained, faust_consumer, partition


@dataclass
class Batch:
    offsets: list[int]

    @property
    def offset(self) -> int:
        return self.offsets[-1]


class BatchConsumer(Consumer):
    """One message per partition and fetch."""

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        records = await super()._getmany(active_partitions, timeout)
        return {tp: [Batch([record.offset for record in values])] for tp, values in records.items()}

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic, tp.partition, record.offset, 0.0, 0, [], None, record, None, tp=tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip


async def test_the_hooks_turn_a_fetch_into_one_message_per_partition(cluster: Cluster) -> None:
    """What `_getmany` returns per partition is given to `_to_message` item by item, so a list of one is one message.

    The batch transport is these two overrides. The message keeps the generation of its delivery. When it fails: records
    arrive one by one, or not at all; look at `Consumer.getmany`.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)
    await cluster.send(topic, [b"x"] * 50)
    got: list[Any] = []

    async def deliver(message: Any) -> None:
        got.append(message)

    async with faust_consumer(app, topic, BatchConsumer, deliver) as consumer:
        async with drained(consumer):
            await until(lambda: sum(len(message.value.offsets) for message in got) == 50)
        assert len(got) <= 5
        assert [offset for message in got for offset in message.value.offsets] == list(range(50))
        assert {message.generation_id for message in got} == {app.consumer_generation_id} == {1}
        assert consumer._read_offset[partition(topic)] == 49


class MonotoneConsumer(Consumer):
    """Faust's own memory of what it has read is blind: every write to `_read_offset` is lost."""

    class Unwritten(defaultdict[TP, int | None]):
        def __setitem__(self, tp: TP, offset: int | None) -> None:
            return None

        def update(self, *_: Any, **__: Any) -> None:
            return None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = self.Unwritten(lambda: None)


async def seek_in_delivery(cluster: Cluster, consumer_class: type[Consumer]) -> list[int]:
    """Offsets delivered when the delivery of offset 5 of 10 seeks to 2, up to an eleventh record, sent afterwards."""
    topic, app = await cluster.create_topic(), new_app(cluster)
    await cluster.send(topic, [b"x"] * 10)
    tp = partition(topic)
    got: list[int] = []

    async def deliver(message: Any) -> None:
        got.append(message.offset)
        if got == [0, 1, 2, 3, 4, 5]:
            await consumer.seek(tp, 2)

    async with faust_consumer(app, topic, consumer_class, deliver) as consumer, drained(consumer):
        await until(lambda: len(got) >= 10)
        await cluster.send(topic, [b"x"])
        await until(lambda: got[-1] == 10)
    return got


async def test_a_seek_while_a_message_is_delivered_loses_what_it_seeks(cluster: Cluster) -> None:
    """Offsets 2 to 8 are fetched again and dropped: `_read_offset` is set to the stale offset after the delivery.

    So `_read_offset` ignores writes, and owners drop what they have applied. When it fails: Faust keeps a seek made
    in a delivery; the override of `_read_offset` may go, once the next test still passes without it.
    """
    got = await seek_in_delivery(cluster, Consumer)
    assert got[:10] == list(range(10))
    assert not set(got[10:]) & set(range(2, 9))


async def test_a_read_offset_that_ignores_writes_delivers_what_it_seeks(cluster: Cluster) -> None:
    """The cure: every record from the sought offset on comes again, the rest of the old fetch first.

    A batch that was fetched before the seek still arrives, so owners trim by offset. When it fails: find where Faust
    keeps what it has read.
    """
    got = await seek_in_delivery(cluster, MonotoneConsumer)
    assert got == [*range(10), *range(2, 11)]


async def test_a_gap_in_the_offsets_is_noted_for_acknowledgement(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_add_gap(tp, from, to)` builds an interval tree per hole; commit markers make one hole per transaction.

    We acknowledge nothing to Faust, so the override does nothing. When it fails: see what else collects gaps, and
    whether it grows without an acknowledgement.
    """
    topic, app = await cluster.create_topic(), new_app(cluster)
    tp = partition(topic)
    async with cluster.producer(cluster.name("txn")) as producer:
        for _ in range(3):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"x")
    got: list[int] = []
    gaps: list[tuple[TP, int, int]] = []

    async def deliver(message: Any) -> None:
        got.append(message.offset)

    async def add_gap(self: Any, tp: TP, offset_from: int, offset_to: int) -> None:
        gaps.append((tp, offset_from, offset_to))

    monkeypatch.setattr(Consumer, "_add_gap", add_gap)
    monkeypatch.setattr(app.topics, "acks_enabled_for", lambda topic: True)
    async with faust_consumer(app, topic, Consumer, deliver) as consumer, drained(consumer):
        await until(lambda: got == [0, 2, 4])
    assert gaps == [(tp, 3, 4)], "none from offset 0: Faust takes 0 for nothing read"


async def test_a_full_buffer_stops_the_fetch_of_its_partition(cluster: Cluster) -> None:
    """`on_buffer_full(tp)` takes the partition out of the fetch, `on_buffer_drop(tp)` puts it back.

    The buffer counts messages, and ours are whole batches: the transport decides by records. When it fails: a full
    agent no longer slows the fetch; bound the memory elsewhere.
    """
    topic, app = await cluster.create_topic(partitions=2), new_app(cluster)
    full, other = partition(topic), partition(topic, 1)
    asked: list[set[TP] | None] = []

    class Asking(Consumer):
        async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
            asked.append(active_partitions and set(active_partitions))
            return await super()._getmany(active_partitions, 0.1)

    async with faust_consumer(app, topic, Asking) as consumer:
        consumer.on_buffer_full(full)
        async with drained(consumer):
            await until(lambda: asked)
        consumer.on_buffer_drop(full)
        async with drained(consumer):
            await until(lambda: asked[-1] == {full, other})
    assert asked[0] == {other}


async def test_the_event_path_of_every_partition_is_checked(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify_event_path(now, tp)` would log an error per partition, because nothing is ever committed through Faust.

    So it is overridden with nothing; lag and progress are measured by us. When it fails: see where the complaint moved.
    """
    topic, app = await cluster.create_topic(partitions=2), new_app(cluster)
    checked: list[TP] = []
    monkeypatch.setattr(Consumer, "verify_event_path", lambda self, now, tp: checked.append(tp))
    async with faust_consumer(app, topic) as consumer:
        await consumer.verify_all_partitions_active()
    assert sorted(checked) == [partition(topic), partition(topic, 1)]


@pytest.mark.parametrize(
    ("hook", "parameters"),
    [
        (ThreadDelegateConsumer._new_consumer_thread, "self"),
        (ThreadDelegateConsumer._getmany, "self active_partitions timeout"),
        (Consumer._to_message, "self tp record"),
        (Consumer.on_buffer_full, "self tp"),
        (Consumer.on_buffer_drop, "self tp"),
        (TopConsumer._add_gap, "self tp offset_from offset_to"),
        (Consumer.verify_event_path, "self now tp"),
        (Consumer.seek, "self partition offset"),
        (AIOKafkaConsumerThread._create_worker_consumer, "self transport"),
        (AIOKafkaConsumerThread.getmany, "self active_partitions timeout"),
    ],
)
def test_the_hooks_keep_their_signatures(hook: Callable[..., Any], parameters: str) -> None:
    """An override with another signature is called wrongly, or not at all.

    When it fails: follow the new signature, and read what calls it.
    """
    assert list(inspect.signature(hook).parameters) == parameters.split()

"""Stand-ins for aiokafka's consumer and producers, on an InMemoryBroker: only the methods that the worker calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata, TopicPartition

from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.transaction import ProducerRecord
from tests.driver.broker import InMemoryBroker, consumer_record

T = TypeVar("T")

_BATCH_BYTES = 4096
"""Small, so that a micro-batch has several batches in a partition"""
_IDLE_S = 0.001
"""A fetch that may wait does so for as long: whoever fetches again and again lets others run"""


class InMemoryConsumer:
    """AIOKafkaConsumer without a group. A fetch returns at once, with all that there is of each partition."""

    def __init__(self, broker: InMemoryBroker, *, isolation_level: str, **_: Any) -> None:
        self._broker = broker
        self._committed = isolation_level == "read_committed"
        self._positions: dict[TopicPartition, int] = {}
        self._client = SimpleNamespace(_wait_on_metadata=self._partitions)

    async def _partitions(self, topic: str) -> set[int]:
        return set(range(len(self._broker.topics[topic])))

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def assign(self, tps: list[TopicPartition]) -> None:
        self._positions = {tp: self._positions.get(tp, self._broker.log(tp).begin) for tp in tps}

    def unsubscribe(self) -> None:
        self.assign([])

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert tp in self._positions, f"{tp} is not assigned"
        self._positions[tp] = offset

    async def seek_to_beginning(self, *tps: TopicPartition) -> None:
        for tp in tps:
            self._positions[tp] = self._broker.log(tp).begin

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._broker.log(tp).begin for tp in tps}

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._end(tp) for tp in tps}

    def _end(self, tp: TopicPartition) -> int:
        log = self._broker.log(tp)
        return log.last_stable_offset if self._committed else log.end

    async def getmany(
        self, *tps: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        fetched = self._fetch(tps, max_records)
        await asyncio.sleep(0 if fetched or not timeout_ms else _IDLE_S)
        return fetched

    def _fetch(
        self, tps: tuple[TopicPartition, ...], max_records: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        fetched = {}
        for tp in tps or tuple(self._positions):
            end = self._end(tp)
            entries = self._broker.log(tp).read(self._positions[tp], end, aborted=not self._committed)
            records = [consumer_record(tp, entry) for entry in entries]
            if max_records is not None and len(records) > max_records:
                records = records[:max_records]
                end = records[-1].offset + 1
            if records:
                fetched[tp] = records
            self._positions[tp] = end
        return fetched

    def last_stable_offset(self, tp: TopicPartition) -> int:
        return self._broker.log(tp).last_stable_offset

    async def getone(self, tp: TopicPartition) -> ConsumerRecord[bytes, bytes]:
        records = (await self.getmany(tp)).get(tp)
        assert records, f"getone would wait for ever at the end of {tp}"
        self._positions[tp] = records[0].offset + 1
        return records[0]


class InMemoryProducer:
    """AIOKafkaProducer: sends records at once, or with a transactional id ends that id's transaction by its start."""

    def __init__(self, broker: InMemoryBroker, *, transactional_id: str | None = None, **_: Any) -> None:
        self._broker = broker
        self._transactional_id = transactional_id

    async def start(self) -> None:
        if self._transactional_id is not None:
            self._broker.init_producer(self._transactional_id)

    async def stop(self) -> None:
        pass

    async def send(self, topic: str, *, key: bytes, value: bytes, partition: int) -> asyncio.Future[RecordMetadata]:
        tp = TopicPartition(topic, partition)
        return _acknowledged(tp, self._broker.append(tp, [ProducerRecord(key, value)]))


class InMemoryBatch:
    """A producer batch of limited size."""

    def __init__(self) -> None:
        self.records: list[ProducerRecord] = []
        self._bytes = 0

    def append(self, *, timestamp: int, key: bytes | None, value: bytes | None, headers: list[Any]) -> object | None:
        size = len(key or b"") + len(value or b"")
        if self.records and self._bytes + size > _BATCH_BYTES:
            return None
        self.records.append(ProducerRecord(key, value, headers, timestamp))
        self._bytes += size
        return object()


class Pause:
    """A call that waits: `reached` is set when it is made, and it goes on when `resumed` is set."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.resumed = asyncio.Event()


class CallFaults:
    """Raises errors at, or delays, chosen calls of the transactional producers' methods."""

    def __init__(self) -> None:
        self._pauses: dict[tuple[str, int], Pause] = {}
        self._faults: dict[tuple[str, int, bool], Exception] = {}
        self._calls: Counter[str] = Counter()

    def raise_at(self, method: str, error: Exception, *, call: int = 1, after: bool = False) -> None:
        """The `call`-th call of the method from now on raises the error, before or after it takes effect."""
        self._faults[method, self._calls[method] + call, after] = error

    def clear(self) -> None:
        """Forgets the errors that no call has reached."""
        self._faults.clear()

    def pause_at(self, method: str, *, call: int = 1) -> Pause:
        """The `call`-th call of the method from now on waits before it takes effect: its worker is frozen."""
        return self._pauses.setdefault((method, self._calls[method] + call), Pause())

    async def before(self, method: str) -> int:
        """The number of the call that is being made."""
        self._calls[method] += 1
        call = self._calls[method]
        if (pause := self._pauses.pop((method, call), None)) is not None:
            pause.reached.set()
            await pause.resumed.wait()
        self._raise(method, call, after=False)
        return call

    def after(self, method: str, call: int) -> None:
        """The call has taken effect."""
        self._raise(method, call, after=True)

    def _raise(self, method: str, call: int, *, after: bool) -> None:
        if (error := self._faults.pop((method, call, after), None)) is not None:
            raise error


class InMemoryTransactionalProducer:
    """FencedProducer. As aiokafka's, it is unusable after the first error, and its transaction stays open."""

    def __init__(self, broker: InMemoryBroker, faults: CallFaults, *, transactional_id: str, **_: Any) -> None:
        self._broker = broker
        self._faults = faults
        self._transactional_id = transactional_id
        self._epoch = 0
        self._in_transaction = False
        self._failed = False

    async def start(self) -> None:
        self._epoch = self._broker.init_producer(self._transactional_id)

    async def stop(self) -> None:
        pass

    async def discard(self) -> None:
        pass

    async def begin_transaction(self) -> None:
        def begin() -> None:
            assert not self._in_transaction, "a transaction is open"
            self._in_transaction = True

        await self._call("begin_transaction", begin)

    def create_batch(self) -> InMemoryBatch:
        return InMemoryBatch()

    async def send_batch(self, batch: InMemoryBatch, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        tp = TopicPartition(topic, partition)
        offset = await self._call("send_batch", lambda: self._broker.append(tp, batch.records, self._transactional_id))
        return _acknowledged(tp, offset)

    async def send_offsets(self, offsets: Mapping[TopicPartition, int], group_metadata: ConsumerGroupMetadata) -> None:
        await self._call(
            "send_offsets", lambda: self._broker.add_offsets(self._transactional_id, dict(offsets), group_metadata)
        )

    async def commit_transaction(self) -> None:
        await self._call(
            "commit_transaction", lambda: self._broker.end_transaction(self._transactional_id, "committed")
        )
        self._in_transaction = False

    async def _call(self, method: str, effect: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        assert not self._failed, "the producer has failed before"
        try:
            call = await self._faults.before(method)
            self._broker.verify_epoch(self._transactional_id, self._epoch)
            result = effect()
            self._faults.after(method, call)
        except KafkaError:
            self._failed = True
            raise
        return result


def _acknowledged(tp: TopicPartition, offset: int) -> asyncio.Future[RecordMetadata]:
    future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
    future.set_result(RecordMetadata(tp.topic, tp.partition, tp, offset, 0, 0, 0))
    return future

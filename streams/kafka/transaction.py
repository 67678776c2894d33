"""Kafka transactions: all records and source offsets of one write become visible together, or never.

Knows producers and their failures; knows nothing of what the records mean.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar, cast
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata, TopicPartition

from streams.errors import StreamError, TransactionFailed
from streams.kafka.client.client_options import client_options, producer_options
from streams.kafka.fenced_producer import ConsumerGroupMetadata, EmptyGroup, FencedProducer
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

REQUEST_TIMEOUT_MS = 15_000
# A transaction takes milliseconds. A dead worker's is ended by its successor; this bounds the wait of readers
# where there is none, and is short of the time that the broker would keep them waiting otherwise (a minute).
_TRANSACTION_TIMEOUT_MS = 30_000
# After a commit the coordinator answers CONCURRENT_TRANSACTIONS for some milliseconds: ask again soon.
_RETRY_BACKOFF_MS = 10
_END_TRANSACTION_BACKOFF_MS = 20


class ProducerRecord(NamedTuple):
    """A record to be written; a value of None is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None


class TransactionWriter:
    """A transactional producer: one transaction per write.

    `transactional_id` is `GROUP-purpose`: of two producers with the same, the broker lets the newer one write. Without
    a purpose it is new in each process; whoever takes over its partitions ends its last transaction by that id.
    """

    def __init__(
        self, kafka: KafkaSettings, transaction_timeout_ms: int | None = None, purpose: str | None = None
    ) -> None:
        self._kafka = kafka
        self._transaction_timeout_ms = transaction_timeout_ms or _TRANSACTION_TIMEOUT_MS
        self.transactional_id = f"{kafka.group_id}-{purpose or uuid4()}"
        self._producer: FencedProducer | None = None
        self._failed = False
        self.failures = 0
        """Writes that raised: what they were to write is committed or not"""

    async def start(self) -> None:
        """Starts a producer, which ends any transaction that this id has open."""
        producer = FencedProducer(
            **producer_options(self._kafka),
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self._transaction_timeout_ms,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=_RETRY_BACKOFF_MS,
            max_batch_size=self._kafka.max_record_bytes,
            max_request_size=self._kafka.max_record_bytes,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.discard()
            raise
        self._producer, self._failed = producer, False

    @property
    def has_failed(self) -> bool:
        """Whether the last transaction failed and may be open still: `restart` ends it."""
        return self._failed

    async def stop(self) -> None:
        """Closes the producer; a transaction that failed stays open, for a new producer with this id to end."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await (producer.discard() if self._failed else producer.stop())

    async def restart(self) -> None:
        """Starts a new producer with the same id, which ends the failed transaction: its records stay invisible."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.discard()
        await self.start()

    async def write(
        self,
        records: Mapping[TopicPartition, Iterable[ProducerRecord]],
        offsets: Mapping[TopicPartition, int | tuple[int, str]] | None = None,
        group_metadata: ConsumerGroupMetadata | EmptyGroup | None = None,
        before_commit: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[TopicPartition, int]:
        """Commits the records and offsets; returns the offset after the last record of each partition.

        Offsets, some with what is to be kept beside them, need the group metadata by which the broker fences them;
        without, only the records are written. `before_commit` is awaited once all of it is written; where it raises,
        the transaction stays open for `restart`.
        Raises TransactionFailed where the outcome is a failure or unknown: call `restart`, then read the changelog to
        learn what is committed.
        """
        if self._producer is None:
            raise TransactionFailed("the producer is not started")
        producer = self._producer
        try:
            await producer.begin_transaction()
            ends = await _gather_all(_send(producer, tp, part) for tp, part in records.items())
            if group_metadata is not None:
                await producer.send_offsets(offsets or {}, group_metadata)
            if before_commit is not None:
                await before_commit()
            await producer.commit_transaction()
        except (KafkaError, AssertionError) as error:
            # aiokafka raises AssertionError for a call that its failed state machine does not allow.
            self._failed = True
            self.failures += 1
            raise TransactionFailed(_reason(error)) from error
        except StreamError:
            self._failed = True
            self.failures += 1
            raise
        return dict(zip(records, ends, strict=True))


def _reason(error: BaseException) -> str:
    """What the broker answered, where aiokafka reports that as an unexpected error."""
    cause = error.__cause__ if isinstance(error.__cause__, KafkaError) else error
    return str(cause) if isinstance(cause, KafkaError) else f"{type(cause).__name__}: {cause}"


async def _send(producer: AIOKafkaProducer, tp: TopicPartition, records: Iterable[ProducerRecord]) -> int:
    """The offset after the last of the records (at least one), all acknowledged."""
    now_ms = int(time.time() * 1000)
    batch, size = producer.create_batch(), 0
    batches: list[tuple[asyncio.Future[RecordMetadata], int]] = []
    for record in records:
        timestamp_ms = now_ms if record.timestamp_ms is None else record.timestamp_ms
        fields = {"timestamp": timestamp_ms, "key": record.key, "value": record.value, "headers": list(record.headers)}
        if batch.append(**fields) is None:
            batches.append((await producer.send_batch(batch, tp.topic, partition=tp.partition), size))
            batch, size = producer.create_batch(), 0
            batch.append(**fields)
        size += 1
    batches.append((await producer.send_batch(batch, tp.topic, partition=tp.partition), size))
    metadata = await _gather_all(future for future, _ in batches)
    end: int = metadata[-1].offset + batches[-1][1]
    return end


async def end_transaction(kafka: KafkaSettings, transactional_id: str) -> None:
    """Aborts the open transaction of another process's producer, if any, and fences that producer (InitProducerId)."""
    producer = AIOKafkaProducer(
        **client_options(kafka),
        transactional_id=transactional_id,
        retry_backoff_ms=_END_TRANSACTION_BACKOFF_MS,
    )
    await producer.start()
    await producer.stop()


async def _gather_all(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """All results; raises the first error once all are done, so that no failed future is left that nobody awaits."""
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[T], results)

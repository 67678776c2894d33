"""Publishes records to a topic: in batches, each record in the partition of its key, in order per key."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from streams.kafka.client.client_options import producer_options
from streams.kafka.reader import PartitionOfKey, partition_count
from streams.settings.sections import KafkaSettings

BATCH_BYTES = 256 * 1024

RecordError: TypeAlias = KafkaError
"""Why a record was not written"""


class Publisher:
    """An idempotent producer of one topic that sends full batches; records with the same key stay in order."""

    def __init__(self, kafka: KafkaSettings, topic: str):
        self.topic = topic
        self._kafka = kafka
        self._producer: AIOKafkaProducer
        self._partition_of: PartitionOfKey

    async def __aenter__(self) -> Self:
        self._partition_of = PartitionOfKey(await partition_count(self._kafka, self.topic, "Write"))
        self._producer = AIOKafkaProducer(
            **producer_options(self._kafka), acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """The records (key, value), all with these headers, are acknowledged by all in-sync replicas at the return."""
        by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
        for record in records:
            by_partition.setdefault(self._partition_of[record[0]], []).append(record)
        await asyncio.gather(*(self._send(partition, part, list(headers)) for partition, part in by_partition.items()))

    async def send_each(
        self, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> list[tuple[int, int] | RecordError]:
        """Partition and offset of each record, acknowledged by all in-sync replicas; or why it was not written."""
        queued: list[asyncio.Future[RecordMetadata] | RecordError] = []
        for key, value in records:
            try:
                queued.append(
                    await self._producer.send(
                        self.topic, value, key=key, partition=self._partition_of[key], headers=list(headers)
                    )
                )
            except KafkaError as error:
                queued.append(error)
        results: list[tuple[int, int] | RecordError] = []
        for outcome in queued:
            try:
                if isinstance(outcome, KafkaError):
                    raise outcome
                metadata = await outcome
                results.append((metadata.partition, metadata.offset))
            except KafkaError as error:
                results.append(error)
        return results

    async def _send(self, partition: int, records: list[tuple[bytes, bytes]], headers: list[tuple[str, bytes]]) -> None:
        acknowledged = []
        batch = self._producer.create_batch()
        for key, value in records:
            # No timestamp of the event: retention deletes by the record's, and replayed logs are old.
            while batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                acknowledged.append(await self._producer.send_batch(batch, self.topic, partition=partition))
                batch = self._producer.create_batch()
        acknowledged.append(await self._producer.send_batch(batch, self.topic, partition=partition))
        await asyncio.gather(*acknowledged)

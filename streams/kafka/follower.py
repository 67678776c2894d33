"""A topic read from its beginning to its end, and followed from there.

Knows offsets; knows nothing of what the records mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiokafka import ConsumerRecord
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition

from streams.errors import TopicError
from streams.kafka.client.client_options import client_options
from streams.kafka.reader import partition_of
from streams.kafka.undecodable import isolating_consumer
from streams.settings.sections import KafkaSettings

# At the end of a transactional log only markers follow, for which no record comes: look at the position often.
_FETCH_TIMEOUT_MS = 50


class TopicFollower:
    """Hands every committed record of a topic to `apply`, partition by partition in offset order.

    What cannot be decoded comes as an UndecodableRecord.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        apply: Callable[[ConsumerRecord[bytes, bytes]], None],
        prepare: Callable[[Sequence[ConsumerRecord[bytes, bytes]]], Awaitable[None]] | None = None,
    ) -> None:
        """Follow the topic; `prepare` is awaited with the records that are applied next."""
        self._topic = topic
        self._apply = apply
        self._prepare = prepare
        self._consumer = isolating_consumer(
            **client_options(kafka), isolation_level="read_committed", auto_offset_reset="earliest"
        )
        self._tps: list[TopicPartition] = []

    async def start(self) -> None:
        """Connects and applies all that the topic holds at the call. Raises TopicError where there is none."""
        await self._consumer.start()
        try:
            partitions = await self._consumer._client._wait_on_metadata(self._topic)
        except UnknownTopicOrPartitionError as error:
            raise TopicError(
                f"{self._topic} does not exist; `interest-stream topics` creates what is missing"
            ) from error
        self._tps = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
        self._consumer.assign(self._tps)
        await self._consumer.seek_to_beginning(*self._tps)
        await self.catch_up()

    async def stop(self) -> None:
        """Closes the consumer."""
        await self._consumer.stop()

    def partition_of(self, key: bytes) -> TopicPartition:
        """The partition that Kafka's default partitioner chooses for the key."""
        return self._tps[partition_of(key, len(self._tps))]

    async def rewind(self) -> None:
        """Applies all that the topic holds at the call once more, from its beginning."""
        await self._consumer.seek_to_beginning(*self._tps)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Applies all that the topic holds at the call."""
        ends = await self._consumer.end_offsets(self._tps)
        while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
            await self.drain(_FETCH_TIMEOUT_MS)

    async def read_to(self, partition: int, end: int) -> None:
        """Applies the partition's records before offset `end`, which exist.

        Asks the broker for nothing else: any other question would wait behind the fetch that waits for records.
        """
        while await self._consumer.position(TopicPartition(self._topic, partition)) < end:
            await self.drain(_FETCH_TIMEOUT_MS)

    async def drain(self, timeout_ms: int = 0) -> None:
        """Applies what has arrived; waits up to `timeout_ms` for a first record."""
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
        for records in fetched.values():
            if self._prepare is not None:
                await self._prepare(records)
            for record in records:
                self._apply(record)

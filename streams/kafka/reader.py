"""Topics read without a consumer group: from start or end of every partition, up to their present ends."""

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import murmur2

from streams.errors import KafkaAccessError, TopicError
from streams.kafka.client.access import Right, denial
from streams.kafka.client.client_options import client_options
from streams.kafka.client.metadata import describe_topics
from streams.kafka.undecodable import UndecodableRecord, isolating_consumer
from streams.settings.sections import KafkaSettings

TopicReader: TypeAlias = AIOKafkaConsumer
"""What `reading` yields"""

Isolation = Literal["read_committed", "read_uncommitted"]
CACHED_KEYS = 200_000
POLL_MS = 50  # how long a fetch at the end of a partition waits for records, which may never come


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's own clients choose for the key (murmur2)."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class PartitionOfKey(dict[bytes, int]):
    """`partition_of` by key, remembered for so many keys: hashing one takes longer than sending it."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self.partitions = partitions

    def __missing__(self, key: bytes) -> int:
        if len(self) >= CACHED_KEYS:
            self.clear()
        partition = self[key] = partition_of(key, self.partitions)
        return partition


def crc32_partition_of(key: bytes, partitions: int) -> int:
    """The partition that librdkafka's clients choose for the key unless they are told otherwise (CRC32)."""
    return zlib.crc32(key) % partitions


async def partition_count(kafka: KafkaSettings, topic: str, operation: Literal["Read", "Write"] = "Read") -> int:
    """How many partitions the topic has.

    Raises TopicError where it does not exist, KafkaAccessError where this client may not do that with it.
    """
    described = (await describe_topics(kafka, [topic]))[topic]
    if not described.describable or (described.exists and not described.allows(operation)):
        raise KafkaAccessError(denial(kafka, [Right("topic", topic, operation)]))
    if not described.exists:
        raise TopicError(
            f"topic {topic!r} does not exist at {kafka.bootstrap_servers}; "
            "`interest-stream topics` creates what is missing of its own, other topics are yours to create"
        )
    return described.partitions


@asynccontextmanager
async def reading(
    kafka: KafkaSettings,
    topics: Sequence[str],
    *,
    from_start: bool = True,
    isolation: Isolation = "read_committed",
    partitions: Sequence[int] | None = None,
) -> AsyncIterator[TopicReader]:
    """A consumer at the start, or at the end, of these partitions (all when None) of every topic.

    Raises as `partition_count` does, and TopicError for a partition that does not exist.
    """
    tps = []
    for topic in topics:
        count = await partition_count(kafka, topic)
        if missing := [partition for partition in partitions or () if not 0 <= partition < count]:
            raise TopicError(f"{topic} has {count} partitions, from 0 on: there is no partition {missing[0]}")
        tps += [TopicPartition(topic, partition) for partition in (range(count) if partitions is None else partitions)]
    consumer = isolating_consumer(
        **client_options(kafka),
        group_id=None,
        enable_auto_commit=False,
        isolation_level=isolation,
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        await (consumer.seek_to_beginning(*tps) if from_start else consumer.seek_to_end(*tps))
        yield consumer
    finally:
        await consumer.stop()


async def read_to_end(
    consumer: TopicReader, ends: dict[TopicPartition, int]
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """The records before these offsets; past a consumer's last stable offset it waits for open transactions to end."""
    behind = {tp: end for tp, end in ends.items() if await consumer.position(tp) < end}
    while behind:
        for tp, records in (await consumer.getmany(*behind, timeout_ms=POLL_MS)).items():
            for record in records:
                if record.offset < ends[tp]:
                    yield record
        behind = {tp: end for tp, end in behind.items() if await consumer.position(tp) < end}


async def read_topic(
    kafka: KafkaSettings,
    topic: str,
    *,
    partitions: Sequence[int] | None = None,
    settled: bool = False,
    undecodable: bool = False,
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Every committed record of the topic as it stands now, partition by partition in order.

    With `settled` also those of transactions still open now, once they end; without, reading stops before them.
    With `undecodable` also UndecodableRecord; without, TopicError names the first.
    """
    async with reading(kafka, [topic], partitions=partitions) as consumer:
        assigned = consumer.assignment()
        if settled:
            async with reading(kafka, [topic], partitions=partitions, isolation="read_uncommitted") as other:
                ends = await other.end_offsets(assigned)
        else:
            ends = await consumer.end_offsets(assigned)
        async for record in read_to_end(consumer, ends):
            if isinstance(record, UndecodableRecord) and not undecodable:
                raise TopicError(
                    f"{topic} partition {record.partition}: {record.message}; restore the topic, or take another"
                )
            yield record

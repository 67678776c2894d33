"""Topics read from offsets that their reader keeps: without a consumer group, each record of a partition in order.

Knows offsets and topic ids; knows nothing of what the records mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from streams.errors import KafkaAccessError, StreamError, TopicError
from streams.kafka.client.access import Right, denial
from streams.kafka.client.client_options import client_options
from streams.kafka.client.connection import check_connection, no_broker
from streams.kafka.client.metadata import TopicMetadataClient
from streams.kafka.closing import close_all
from streams.kafka.undecodable import isolating_consumer
from streams.settings.sections import KafkaSettings

Position: TypeAlias = tuple[str, int]
"""Topic and partition"""
Records: TypeAlias = Sequence[ConsumerRecord[bytes, bytes]]

_REQUEST_TIMEOUT_MS: Final = 10_000
_FETCH_BYTES: Final = 1 << 20  # of a partition at once: what waits in memory is bounded by it


@dataclass(frozen=True, slots=True)
class TopicShape:
    """What makes offsets of a topic comparable."""

    topic_id: str  # new in each topic, whatever its name; empty where brokers are older than 2.8
    partitions: int


class OffsetReader:
    """Committed records of topics, from offsets that are given. Not to be used from two tasks at once.

    Every method raises StreamError where Kafka cannot be asked.
    """

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str]) -> None:
        self._kafka = kafka
        self._topics = topics
        self._client = TopicMetadataClient(kafka)
        self._consumer = isolating_consumer(
            **client_options(kafka),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",  # where records have expired, the next ones that are there
            fetch_max_wait_ms=100,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            max_partition_fetch_bytes=max(kafka.max_record_bytes, _FETCH_BYTES),
        )
        self._tps: list[TopicPartition] = []
        self._next: dict[TopicPartition, int] = {}

    async def start(self) -> dict[str, TopicShape]:
        """Connects; the topics as they are now. Raises TopicError where one is missing."""
        try:
            shapes = await self.shapes()
            with _stream_errors(self._kafka):
                await self._consumer.start()
        except StreamError as error:
            if isinstance(error.__cause__, KafkaConnectionError):
                await check_connection(self._kafka)  # raises what no retry mends
                raise TopicError(await no_broker(self._kafka)) from error
            raise
        self._tps = [
            TopicPartition(name, number) for name, shape in shapes.items() for number in range(shape.partitions)
        ]
        self._consumer.assign(self._tps)
        return shapes

    async def stop(self) -> None:
        """Closes the connections."""
        await close_all(self._consumer.stop, self._client.stop)

    async def shapes(self) -> dict[str, TopicShape]:
        """The topics as they are now. Raises TopicError where one is missing, KafkaAccessError where one is denied."""
        with _stream_errors(self._kafka):
            try:
                described = await self._client.describe(self._topics)
            except TopicAuthorizationFailedError as error:
                raise self._denied(self._topics) from error
        if missing := [name for name in self._topics if name not in described]:
            raise TopicError(f"{missing[0]} does not exist; `interest-stream topics` creates what is missing")
        if denied := [name for name in self._topics if not described[name].allows("Read")]:
            raise self._denied(denied)
        return {name: TopicShape(described[name].topic_id, described[name].partitions) for name in self._topics}

    def _denied(self, topics: Sequence[str]) -> KafkaAccessError:
        return KafkaAccessError(denial(self._kafka, [Right("topic", name, "Read") for name in topics]))

    async def begins(self) -> dict[Position, int]:
        """The first offset that each partition keeps."""
        with _stream_errors(self._kafka):
            return {
                (tp.topic, tp.partition): offset
                for tp, offset in (await self._consumer.beginning_offsets(self._tps)).items()
            }

    async def ends(self) -> dict[Position, int]:
        """The offset after the last committed record of each partition."""
        with _stream_errors(self._kafka):
            return {
                (tp.topic, tp.partition): offset for tp, offset in (await self._consumer.end_offsets(self._tps)).items()
            }

    def seek(self, offsets: Mapping[Position, int]) -> None:
        """Reads these partitions from these offsets on."""
        for (topic, partition), offset in offsets.items():
            tp = TopicPartition(topic, partition)
            self._consumer.seek(tp, offset)
            self._next[tp] = offset

    async def fetch(self, timeout_ms: int, max_records: int) -> dict[Position, tuple[Records, int]]:
        """What has arrived: by partition its records, and the offset to read from after them.

        Waits for a first record up to the timeout. Raises TopicError where the records are of a topic that was created
        again meanwhile.
        """
        with _stream_errors(self._kafka):
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
            batches: dict[Position, tuple[Records, int]] = {}
            for tp, records in fetched.items():
                if records[0].offset < self._next[tp]:
                    raise TopicError(f"{tp.topic} was created again: it begins anew at offset {records[0].offset}")
                self._next[tp] = await self._consumer.position(tp)
                batches[tp.topic, tp.partition] = records, self._next[tp]
            return batches

    async def positions(self) -> dict[Position, int]:
        """The next offset of each partition, behind markers of transactions too."""
        with _stream_errors(self._kafka):
            return {(tp.topic, tp.partition): await self._consumer.position(tp) for tp in self._tps}


@contextmanager
def _stream_errors(kafka: KafkaSettings) -> Iterator[None]:
    """Errors of the client as those of this package."""
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        kind = StreamError if isinstance(error, TimeoutError) or error.retriable else KafkaAccessError
        raise kind(f"Kafka at {kafka.bootstrap_servers}: {str(error) or type(error).__name__}") from error

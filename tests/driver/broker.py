"""A Kafka broker in memory: partitions as lists, transactions, producer epochs and one consumer group.

Only what the write path relies on, each as the contract tests pin it on a real broker: records of open transactions
hold the last stable offset back, every transaction's end takes an offset of its own in each partition it wrote to,
a producer that starts ends its id's open transaction and fences its predecessor, and a group refuses the offsets of a
stale generation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalGenerationError, OffsetOutOfRangeError, ProducerFenced, UnknownMemberIdError
from aiokafka.structs import TopicPartition

from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.transaction import ProducerRecord


class ProcessKilled(Exception):  # noqa: N818 - no error of the program: the test ends its process here
    """The worker's process is killed at this point; nothing after it happens."""


@dataclass(eq=False, slots=True)
class Transaction:
    """Records and source offsets of one transaction."""

    status: Literal["open", "committed", "aborted"] = "open"
    partitions: set[TopicPartition] = field(default_factory=set)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One offset of a partition: a record, or the marker that ends a transaction."""

    offset: int
    record: ProducerRecord | None
    transaction: Transaction | None


class PartitionLog:
    """The entries of a partition."""

    def __init__(self) -> None:
        self.begin = 0
        self.entries: list[LogEntry] = []

    @property
    def end(self) -> int:
        """The offset of the next entry (high watermark)."""
        return self.begin + len(self.entries)

    @property
    def last_stable_offset(self) -> int:
        """The first offset of an open transaction; without any, the end."""
        for entry in self.entries:
            if entry.transaction is not None and entry.transaction.status == "open":
                return entry.offset
        return self.end

    def append(self, record: ProducerRecord | None, transaction: Transaction | None = None) -> int:
        """Appends one entry and returns its offset."""
        offset = self.end
        self.entries.append(LogEntry(offset, record, transaction))
        return offset

    def truncate(self, begin: int) -> None:
        """Deletes the entries before this offset."""
        self.entries, self.begin = self.entries[begin - self.begin :], begin

    def read(self, begin: int, end: int, *, aborted: bool) -> Iterator[LogEntry]:
        """The records in `begin` ≤ offset < `end`, those of aborted transactions only if asked for."""
        if not self.begin <= begin <= self.end:
            raise OffsetOutOfRangeError(f"offset {begin} is outside {self.begin} to {self.end}")
        for entry in self.entries[begin - self.begin : end - self.begin]:
            is_aborted = entry.transaction is not None and entry.transaction.status == "aborted"
            if entry.record is not None and (aborted or not is_aborted):
                yield entry


class ConsumerGroup:
    """Members of one generation, and the offsets that the group has committed."""

    def __init__(self) -> None:
        self.generation = 0
        self.members: set[str] = set()
        self.offsets: dict[TopicPartition, int] = {}

    def rebalance(self, *members: str) -> None:
        """Begins a generation with these members."""
        self.generation += 1
        self.members = set(members)

    def verify(self, group_metadata: ConsumerGroupMetadata) -> None:
        """Raises what a broker answers to an offset commit of a stale member."""
        if group_metadata.member_id not in self.members:
            raise UnknownMemberIdError
        if group_metadata.generation != self.generation:
            raise IllegalGenerationError


class InMemoryBroker:
    """Topics, transactional producers and a consumer group."""

    def __init__(self, topics: dict[str, int]) -> None:
        """`topics`: number of partitions by name."""
        self.topics = {topic: [PartitionLog() for _ in range(partitions)] for topic, partitions in topics.items()}
        self.topic_ids = {topic: f"{topic}-1" for topic in topics}
        self.group = ConsumerGroup()
        self._epochs: defaultdict[str, int] = defaultdict(int)
        self._transactions: dict[str, Transaction] = {}

    def log(self, tp: TopicPartition) -> PartitionLog:
        """A partition's log."""
        return self.topics[tp.topic][tp.partition]

    def recreate(self, topic: str) -> None:
        """Empties the topic, which gets another id, as deleting and creating it does."""
        self.topics[topic] = [PartitionLog() for _ in self.topics[topic]]
        self.topic_ids[topic] += "'"

    def add_partitions(self, topic: str, partitions: int) -> None:
        """The topic has so many."""
        self.topics[topic] += [PartitionLog() for _ in range(partitions - len(self.topics[topic]))]

    def init_producer(self, transactional_id: str) -> int:
        """The producer's epoch; an open transaction of its id is aborted, an earlier producer of it is fenced."""
        self.end_transaction(transactional_id, "aborted")
        self._epochs[transactional_id] += 1
        return self._epochs[transactional_id]

    def verify_epoch(self, transactional_id: str, epoch: int) -> None:
        """Raises ProducerFenced where a newer producer has the id."""
        if epoch != self._epochs[transactional_id]:
            raise ProducerFenced

    def append(self, tp: TopicPartition, records: Sequence[ProducerRecord], transactional_id: str | None = None) -> int:
        """The first offset of the records, appended in the id's open transaction or outside of any."""
        transaction = None
        if transactional_id is not None:
            transaction = self._transactions.setdefault(transactional_id, Transaction())
            transaction.partitions.add(tp)
        first = self.log(tp).end
        for record in records:
            self.log(tp).append(record, transaction)
        return first

    def add_offsets(
        self, transactional_id: str, offsets: dict[TopicPartition, int], group_metadata: ConsumerGroupMetadata
    ) -> None:
        """Adds source offsets to the id's open transaction, unless the group refuses the member."""
        self.group.verify(group_metadata)
        self._transactions.setdefault(transactional_id, Transaction()).offsets |= offsets

    def end_transaction(self, transactional_id: str, status: Literal["committed", "aborted"]) -> None:
        """Ends the id's open transaction, if any."""
        transaction = self._transactions.pop(transactional_id, None)
        if transaction is None:
            return
        transaction.status = status
        for tp in transaction.partitions:
            self.log(tp).append(None)
        if status == "committed":
            self.group.offsets |= transaction.offsets

    def committed(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """All committed records of the topic, partition by partition in offset order."""
        return [
            consumer_record(TopicPartition(topic, partition), entry)
            for partition, log in enumerate(self.topics[topic])
            for entry in log.read(log.begin, log.last_stable_offset, aborted=False)
        ]


def consumer_record(tp: TopicPartition, entry: LogEntry) -> ConsumerRecord[bytes, bytes]:
    """The entry as a consumer returns it."""
    record = entry.record
    assert record is not None
    size = len(record.value or b"")
    timestamp_ms = record.timestamp_ms or 0
    return ConsumerRecord(
        tp.topic, tp.partition, entry.offset, timestamp_ms, 0, record.key, record.value, None, 0, size, record.headers
    )

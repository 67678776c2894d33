"""What one round of the loop reads: of each topic what has arrived, in an order that loses no feedback."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from streams.errors import StreamError
from streams.feedback.learner import Learner
from streams.feedback.partition_reader import PartitionReader
from streams.feedback.partitions import Partitions
from streams.feedback.step import PartitionRecords
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.group_consumer import Fetched, GroupConsumer
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.prediction_reader import PredictionReader
from streams.schema.parsing.wire_format import Transcoder
from streams.schema.record import position
from streams.settings.settings import Settings

_FETCH_MS: Final = 20


@dataclass(slots=True)
class Assignment:
    """What the group has given this process, until it takes it away."""

    metadata: ConsumerGroupMetadata
    partitions: set[int]
    is_open: bool = False
    read_ms: dict[int, int] = field(default_factory=dict)
    """By partition: broker's time of the last event that was read"""
    learner: Learner | None = None
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """As they were committed last"""
    held: Fetched = field(default_factory=dict)
    """Events that wait until the decisions before them are read"""


@dataclass(slots=True)
class Round:
    """Records by partition of their topic."""

    events: Fetched
    decisions: Fetched
    requests: Fetched
    predictions: Fetched
    rewards: Fetched
    newest: dict[int, dict[bytes, bytes | None]]
    """By partition and user the newest of the predictions, in JSON"""

    def __bool__(self) -> bool:
        return any((self.events, self.decisions, self.requests, self.predictions, self.rewards))


class RoundReader:
    """Reads for the partitions of an assignment that is open."""

    def __init__(
        self,
        settings: Settings,
        consumer: GroupConsumer,
        reader: PartitionReader,
        partitions: Partitions,
        predictions: PredictionReader,
        transcoder: Transcoder | None,
        notify: Callable[[str], None],
    ) -> None:
        topics = settings.topics
        self._topics = topics
        self._grace_ms = int(settings.feedback.grace_s * 1000)
        self._most = settings.worker.step_max_events
        self._consumer = consumer
        self._reader = reader
        self._partitions = partitions
        self._prediction_reader = predictions
        self._transcoder = transcoder
        self._notify = notify

    async def read(self, assignment: Assignment) -> Round:
        """What has arrived. Events wait in the assignment where not all decisions before them are read yet."""
        events = assignment.held or await self._consumer.fetch(_FETCH_MS, self._most)
        # What an event may name was decided before it: decisions are read to their end as of now.
        decisions, complete = await self._read_decisions(assignment, bool(events))
        if complete:
            assignment.held = {}
        else:
            assignment.held, events = events, {}
        numbers, most = sorted(assignment.partitions), self._most
        requests = await self._reader.read([TopicPartition(self._topics.decision_requests, p) for p in numbers], most)
        predictions = await self._reader.read([self._partitions.predictions(p) for p in numbers], most)
        rewards: Fetched = {}
        if assignment.learner is not None:
            every = [TopicPartition(self._topics.interest_rewards, p) for p in range(self._topics.partitions)]
            rewards = await self._reader.read(every, most)
        newest = {tp.partition: await self._newest(part) for tp, part in predictions.items()}
        if self._transcoder is not None:
            await self._transcoder.load([record for part in events.values() for record in part])
        return Round(events, decisions, requests, predictions, rewards, newest)

    def of_partition(self, round_: Round, partition: int, stream_ms: int) -> PartitionRecords:
        """The part of one partition."""
        topics = self._topics
        return PartitionRecords(
            round_.events.get(TopicPartition(topics.user_events, partition), ()),
            round_.decisions.get(TopicPartition(topics.interest_decisions, partition), ()),
            round_.requests.get(TopicPartition(topics.decision_requests, partition), ()),
            round_.newest.get(partition, {}),
            stream_ms,
        )

    async def _newest(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> dict[bytes, bytes | None]:
        """By user the newest prediction, in JSON; one that cannot be read leaves that before it."""
        newest: dict[bytes, bytes | None] = {}
        for record in records:
            if record.key is None or isinstance(record, UndecodableRecord):
                continue
            try:
                newest[record.key] = None if record.value is None else await self._prediction_reader.json(record.value)
            except StreamError as error:
                self._notify(f"{position(record)} is left out: {error}")
        return newest

    async def _read_decisions(self, assignment: Assignment, has_events: bool) -> tuple[Fetched, bool]:
        tps = [TopicPartition(self._topics.interest_decisions, p) for p in sorted(assignment.partitions)]
        if not has_events:
            return await self._reader.read(tps, self._most), True
        return await self._reader.read_to(await self._reader.ends(tps), self._most)

    async def stream_times(self, assignment: Assignment, events: Fetched) -> dict[int, int]:
        """By partition the time up to which all events are read: of the last one, or now where none waits.

        The broker is asked only where a decision is due by the clock.
        """
        for tp, records in events.items():
            before = assignment.read_ms.get(tp.partition, 0)
            assignment.read_ms[tp.partition] = max([before, *(record.timestamp for record in records)])
        now_ms = int(time.time() * 1000)
        stores, grace_ms = self._partitions.stores, self._grace_ms
        due = [
            TopicPartition(self._topics.user_events, p)
            for p, store in stores.items()
            if next(iter(store.due(now_ms - grace_ms, 1)), None) is not None
        ]
        times = {p: assignment.read_ms.get(p, 0) for p in stores}
        if due and not assignment.held:
            ends = await self._reader.ends(due)
            for tp in due:
                if await self._consumer.position(tp) >= ends[tp]:
                    times[tp.partition] = now_ms
        return times

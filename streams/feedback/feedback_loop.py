"""The loop of a process of policies: fetch → join, decide, learn → one transaction → RocksDB.

A transaction holds rewards, decisions, changes of what waits, states of policies, and the offsets of all that was read,
fenced by the group's generation: so each decision has one reward, and each reward is learnt once, whatever fails when.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.errors import TransactionFailed
from streams.feedback.learner import Learner
from streams.feedback.metrics import PolicyMetrics
from streams.feedback.partition_reader import PartitionReader
from streams.feedback.partitions import Partitions
from streams.feedback.round_reader import Assignment, Round, RoundReader
from streams.feedback.step import PartitionStep, PartitionStepper
from streams.ingest.source_positions import SourcePositions
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.kafka.follower import TopicFollower
from streams.kafka.group_consumer import GroupConsumer
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.policy.arms import Arms
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.settings.settings import Settings
from streams.worker.process.threads import in_thread

_MAX_FAILURES: Final = 12
_MAX_PAUSE_S: Final = 2.0
_RETRY_S: Final = 1.0
LEARNING_PARTITION: Final = 0
"""Who has it learns for all"""


@dataclass(frozen=True, slots=True)
class LoopParts:
    """What the loop works with."""

    settings: Settings
    consumer: GroupConsumer
    reader: PartitionReader
    positions: SourcePositions
    partitions: Partitions
    stepper: PartitionStepper
    policies: KnownPolicies
    arms: Arms
    catalog: Mapping[str, DescribedItem]
    states: TopicFollower
    others: Sequence[TopicFollower]
    """Of catalog and experiments"""
    rounds: RoundReader
    writer: TransactionWriter
    metrics: PolicyMetrics
    raise_permanent: Callable[[KafkaError], Awaitable[None]]
    notify: Callable[[str], None]


class FeedbackLoop:
    """Runs until it is stopped."""

    def __init__(self, parts: LoopParts) -> None:
        self._parts = parts
        topics = parts.settings.topics
        self._events, self._decisions = topics.user_events, topics.interest_decisions
        self._requests, self._rewards = topics.decision_requests, topics.interest_rewards
        self._all = range(topics.partitions)
        self._assignment: Assignment | None = None
        self._writing = asyncio.Lock()  # a rebalance waits for the transaction in work
        self._failures = 0

    @property
    def learns(self) -> bool:
        """Whether this process learns for all."""
        return self._assignment is not None and self._assignment.learner is not None

    def on_assigned(self, partitions: set[TopicPartition], metadata: ConsumerGroupMetadata) -> None:
        """The group has given these partitions of `user-events`."""
        self._assignment = Assignment(metadata, {tp.partition for tp in partitions})
        self._parts.metrics.assigned(len(partitions))

    async def on_revoked(self) -> None:
        """It takes them away: returns once the transaction in work, whose generation is still valid, has ended."""
        async with self._writing:
            self._assignment = None
            self._parts.metrics.assigned(0)
            await self._parts.partitions.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Returns once `stop` is set, between transactions. Raises every error that trying again would not mend."""
        interval_s = self._parts.settings.worker.step_interval_s
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                began_s = time.monotonic()
                step = asyncio.ensure_future(self._step())
                await asyncio.wait([step, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not step.done():
                    async with self._writing:
                        step.cancel()
                    await asyncio.gather(step, return_exceptions=True)
                    return
                if not step.result():
                    await asyncio.wait([stopping], timeout=max(0.0, began_s + interval_s - time.monotonic()))
        finally:
            stopping.cancel()

    async def close(self) -> None:
        """Releases the stores."""
        async with self._writing:
            await self._parts.partitions.close()

    async def _step(self) -> bool:
        """One transaction at most; whether more is waiting."""
        assignment = self._assignment
        try:
            if assignment is None:
                self._parts.consumer.check()
                return False
            if not assignment.is_open:
                await self._open(assignment)
                return False
            more = await self._round(assignment)
            self._failures = 0
            self._parts.metrics.add_round()
            return more
        except OffsetOutOfRangeError:
            _close(assignment)  # records expired, or the topic was rolled back: opening tells which
        except TransactionFailed as error:
            _close(assignment)
            await self._recover(error)
        except KafkaError as error:
            _close(assignment)
            await self._parts.raise_permanent(error)
            await asyncio.sleep(_RETRY_S)
        return False

    async def _open(self, assignment: Assignment) -> None:
        """Finds where all topics begin, restores what waits, and commits the offsets with our transactional id."""
        parts = self._parts
        if not assignment.partitions:
            await asyncio.sleep(_RETRY_S)  # there are more processes than partitions
            return
        read = [
            TopicPartition(topic, partition)
            for topic in (self._events, self._decisions, self._requests)
            for partition in sorted(assignment.partitions)
        ]
        learns = LEARNING_PARTITION in assignment.partitions
        if learns:
            read += [TopicPartition(self._rewards, partition) for partition in self._all]
        offsets = await parts.positions.find(read, lambda: self._assignment is assignment)
        if offsets is None:
            return
        async with self._writing:
            if self._assignment is not assignment:
                return
            if not await parts.partitions.open(assignment.partitions, lambda: self._assignment is assignment):
                return
            if learns:  # what the offsets of rewards are of, must be among the states that are read
                await parts.reader.settled_ends([TopicPartition(parts.settings.topics.policy_states, 0)])
            await parts.states.catch_up()
            await self._commit(assignment, {}, offsets)
            if learns:
                states, decides = parts.policies.states, parts.arms.decides
                assignment.learner = Learner(parts.settings.policy, states, decides, parts.catalog)
            predictions = {
                parts.partitions.predictions(partition): position.predictions
                for partition, position in parts.partitions.positions.items()
            }
            others = {tp: offset for tp, offset in offsets.items() if tp.topic != self._events}
            parts.reader.assign(others | predictions)
            parts.consumer.begin({tp: offset for tp, offset in offsets.items() if tp.topic == self._events})
            assignment.held, assignment.read_ms, assignment.is_open = {}, {}, True
            waiting = [await in_thread(store.waiting) for store in parts.partitions.stores.values()]
            parts.metrics.opened(sum(waiting), learns)

    async def _round(self, assignment: Assignment) -> bool:
        parts = self._parts
        round_ = await parts.rounds.read(assignment)
        await parts.states.drain()
        for follower in parts.others:
            await follower.drain()
        async with self._writing:
            if self._assignment is not assignment:
                return False  # fetched by positions that are not ours any more
            stream_ms = await parts.rounds.stream_times(assignment, round_.events)
            steps = {
                p: await in_thread(
                    parts.stepper.step,
                    parts.partitions.stores[p],
                    parts.rounds.of_partition(round_, p, stream_ms[p]),
                )
                for p in sorted(assignment.partitions)
            }
            if (learner := assignment.learner) is not None and round_.rewards:
                before = learner.learnt, learner.left_out, learner.unusable
                await in_thread(learner.learn, round_.rewards)
                after = learner.learnt, learner.left_out, learner.unusable
                parts.metrics.add_learnt(*(now - then for now, then in zip(after, before, strict=True)))
            await self._write(assignment, steps, round_)
        return bool(round_)

    async def _write(
        self,
        assignment: Assignment,
        steps: Mapping[int, PartitionStep],
        round_: Round,
    ) -> None:
        parts, topics = self._parts, self._parts.settings.topics
        records: dict[TopicPartition, list[ProducerRecord]] = {}
        for p, step in steps.items():
            records[TopicPartition(self._rewards, p)] = step.rewards
            records[TopicPartition(self._decisions, p)] = step.decisions
            records[TopicPartition(topics.user_events_dlq, p)] = step.letters
            records[parts.partitions.changelog(p)] = step.changelog
        read = {**round_.events, **round_.decisions, **round_.requests}
        offsets = {tp: part[-1].offset + 1 for tp, part in read.items() if part}
        publication = None if assignment.learner is None else assignment.learner.publication()
        if publication is not None:
            states, learnt = publication
            records[TopicPartition(topics.policy_states, 0)] = states
            offsets |= learnt
        ends: dict[TopicPartition, int] = {}
        if offsets or any(records.values()):
            ends = await self._commit(assignment, records, offsets)
        if publication is not None and assignment.learner is not None:
            assignment.learner.published()
        for p, step in steps.items():
            followed = round_.predictions.get(parts.partitions.predictions(p))
            if not step.changes and not followed:
                continue
            position = parts.partitions.moved(
                p, ends.get(parts.partitions.changelog(p)), followed[-1].offset + 1 if followed else None
            )
            await in_thread(parts.partitions.stores[p].write, step.changes, step.predictions, position)
            parts.partitions.positions[p] = position
        for step in steps.values():
            parts.metrics.add(step)

    async def _commit(
        self,
        assignment: Assignment,
        records: Mapping[TopicPartition, list[ProducerRecord]],
        offsets: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        # It is by offsets that a transaction is fenced: where nothing was read, the known ones are committed again.
        fencing = offsets or assignment.offsets
        notes = {topic: self._parts.positions.note(topic) for topic in {tp.topic for tp in fencing}}
        ends = await self._parts.writer.write(
            {tp: part for tp, part in records.items() if part},
            {tp: (offset, notes[tp.topic]) for tp, offset in fencing.items()},
            assignment.metadata,
        )
        assignment.offsets.update(offsets)
        return ends

    async def _recover(self, error: TransactionFailed) -> None:
        """Ends the failed transaction; what is committed is read again by the next step."""
        self._failures += 1
        if self._failures > _MAX_FAILURES:
            raise error
        if isinstance(error.__cause__, KafkaError):
            await self._parts.raise_permanent(error.__cause__)
        self._parts.notify(f"a transaction failed ({error}): going on after the last one that was committed")
        await asyncio.sleep(min(0.1 * 2**self._failures, _MAX_PAUSE_S))
        while True:
            try:
                return await self._parts.writer.restart()
            except KafkaError as failure:
                await self._parts.raise_permanent(failure)
                await asyncio.sleep(_RETRY_S)


def _close(assignment: Assignment | None) -> None:
    """It is opened anew, at what is committed."""
    if assignment is not None:
        assignment.is_open, assignment.learner = False, None

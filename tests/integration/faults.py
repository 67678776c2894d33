"""Faults that tests inject into a worker process before it starts. The product has no hook for any of this."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import wraps
from pkgutil import resolve_name
from typing import Any

import numpy as np
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust.types import TP
from numpy.typing import NDArray

from state.rows import RowLayout
from streams.ingest import source_positions
from streams.ingest.source_topics import SourceTopics
from streams.kafka import transaction
from streams.kafka.faust_transport import BatchConsumer, RecordBatch
from streams.kafka.fenced_producer import ConsumerGroupMetadata, FencedProducer
from streams.kafka.group_offsets import GroupOffsets
from streams.kafka.transaction import ProducerRecord
from streams.worker.batch import MicroBatch
from streams.worker.output import StepOutput
from streams.worker.partitions.changelog import Changelog
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.partitions.source_reader import SourceReader
from streams.worker.pipeline import Pipeline
from streams.worker.process import lifecycle
from streams.worker.quality_meter import QualityMeter

log = logging.getLogger(__name__)

Fetched = Mapping[TP, list[RecordBatch]]


def signal_at(method: str, call: int, number: signal.Signals, after: bool = False) -> None:
    """The process sends itself the signal before, or after, the given call of "module:Class.method"."""
    path, _, name = method.rpartition(".")
    calls = 0

    def hit(original: Callable[..., Any]) -> Callable[..., Any]:
        def count() -> None:
            nonlocal calls
            calls += 1
            if calls == call:
                os.kill(os.getpid(), number)

        @wraps(original)
        async def awaited(*args: Any, **options: Any) -> Any:
            if not after:
                count()
            result = await original(*args, **options)
            if after:
                count()
            return result

        @wraps(original)
        def called(*args: Any, **options: Any) -> Any:
            if not after:
                count()
            result = original(*args, **options)
            if after:
                count()
            return result

        return awaited if inspect.iscoroutinefunction(original) else called

    patched_class = resolve_name(path)
    _replace(patched_class, name, hit(getattr(patched_class, name)))


def lose_a_fetch(number: int) -> None:
    """The n-th fetch that holds records never reaches the worker."""
    _on_fetch(number, lambda fetched: [])


def repeat_a_fetch(number: int) -> None:
    """The n-th fetch that holds records is delivered twice."""
    _on_fetch(number, lambda fetched: [fetched, fetched])


def _on_fetch(number: int, change: Callable[[Fetched], list[Fetched]]) -> None:
    original = BatchConsumer._getmany
    fetches = 0
    waiting: list[Fetched] = []

    async def getmany(self: BatchConsumer, active_partitions: set[TP] | None, timeout: float) -> Fetched:
        nonlocal fetches
        if not waiting:
            fetched = await original(self, active_partitions, timeout)
            if not fetched:
                return fetched
            fetches += 1
            if fetches != number:
                return fetched
            waiting.extend(change(fetched))
            log.info("fetch %d is delivered %d times", number, len(waiting))
        return waiting.pop() if waiting else {}

    _replace(BatchConsumer, "_getmany", getmany)


def trust_the_delivery() -> None:
    """Rule broken: whatever is delivered is taken for what comes next, and no row looks at its last offset."""
    unpack = RowLayout.unpack

    async def admit(self: SourceReader, state: PartitionState, batch: RecordBatch, next_offset: int) -> RecordBatch:
        return batch

    def forgetful(self: RowLayout, values: Sequence[bytes | None]) -> NDArray[np.void]:
        rows = unpack(self, values)
        rows["last_offset"] = -1
        return rows

    _replace(SourceReader, "_admit", admit)
    _replace(RowLayout, "unpack", forgetful)


def stop_after(deadline_s: float) -> None:
    """No harm: a worker that cannot stop in order exits so long after the signal."""
    _replace(lifecycle, "STOP_DEADLINE_S", deadline_s)


def store_before_commit(number: int) -> None:
    """Rule broken: RocksDB is written before the commit. The process dies between the two of the n-th step."""
    send, write = transaction._send, Pipeline.write
    commit: Callable[[FencedProducer], Awaitable[None]] = FencedProducer.commit_transaction
    ends: dict[TopicPartition, int] = {}
    steps: list[Callable[[], None]] = []

    async def noted(producer: Any, tp: TopicPartition, records: Iterable[ProducerRecord]) -> int:
        ends[tp] = await send(producer, tp, records)
        return ends[tp]

    async def step(self: Pipeline, batch: MicroBatch, output: StepOutput) -> dict[int, int]:
        steps.append(lambda: self._store(output.row_changes, ends))
        return await write(self, batch, output)

    async def late(self: FencedProducer) -> None:
        if len(steps) == number:
            steps[-1]()
            os.kill(os.getpid(), signal.SIGKILL)
        await commit(self)

    _replace(transaction, "_send", noted)
    _replace(Pipeline, "write", step)
    _replace(FencedProducer, "commit_transaction", late)


def fail_a_commit(number: int) -> None:
    """The n-th commit fails before the broker hears of it."""
    commit: Callable[[FencedProducer], Awaitable[None]] = FencedProducer.commit_transaction
    commits = 0

    async def failing(self: FencedProducer) -> None:
        nonlocal commits
        commits += 1
        if commits == number:
            raise KafkaError("spoilt by a test")
        await commit(self)

    _replace(FencedProducer, "commit_transaction", failing)


def write_quality_in_each_step() -> None:
    """No harm: a quality record goes with every step's transaction."""
    _replace(QualityMeter, "record_if_due", QualityMeter.pending_record)


def send_no_generation() -> None:
    """Rule broken: offsets are sent as somebody who is no member, as aiokafka does."""
    send = FencedProducer.send_offsets

    async def anonymous(
        self: FencedProducer, offsets: Mapping[TopicPartition, int], group_metadata: ConsumerGroupMetadata
    ) -> None:
        nobody = object.__new__(ConsumerGroupMetadata)
        for name, value in (("group_id", group_metadata.group_id), ("generation", -1), ("member_id", "")):
            object.__setattr__(nobody, name, value)
        await send(self, offsets, nobody)

    _replace(FencedProducer, "send_offsets", anonymous)


def keep_transactions_open() -> None:
    """No harm: Kafka itself ends no transaction for as long as a test may take."""
    _replace(transaction, "_TRANSACTION_TIMEOUT_MS", 300_000)


def open_without_waiting() -> None:
    """Rule broken: a partition is opened while its last owner's transaction is still open.

    What Kafka aborts meanwhile cannot be committed late.
    """

    async def at_once(*_: Any) -> None:
        return None

    keep_transactions_open()
    _replace(Changelog, "wait_for_stable_offset", at_once)


def read_unstable_offsets() -> None:
    """Rule broken: ingest begins at an offset that an open transaction may replace, and leaves that open."""
    fetch = GroupOffsets._fetch

    async def unstable(self: GroupOffsets, tps: Any, require_stable: bool) -> Any:
        return await fetch(self, tps, require_stable=False)

    async def leave_open(*_: Any) -> None:
        return None

    _replace(GroupOffsets, "_fetch", unstable)
    _replace(source_positions, "end_transaction", leave_open)


def wait_at_the_start_of_ingest() -> None:
    """No harm: the topics are never found out about."""

    async def wait(*_: Any) -> None:
        sys.stdout.write("waiting\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    _replace(SourceTopics, "start", wait)


def combine(*faults: Callable[[], None]) -> None:
    """Injects all these faults."""
    for fault in faults:
        fault()


def _replace(patched: object, name: str, replacement: object) -> None:
    assert hasattr(patched, name), f"{patched} has no {name}: nothing would be broken"
    setattr(patched, name, replacement)


def set_environment(variables: Mapping[str, str]) -> None:
    """No fault: the worker's settings find these variables, as secrets are found."""
    os.environ.update(variables)


def become_user(user_id: int) -> None:
    """The process goes on as this user, without the rights of root."""
    os.setgid(user_id)
    os.setuid(user_id)


def limit_open_files(count: int) -> None:
    """The process may have so many files open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

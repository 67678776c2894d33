"""Composition of `interest-stream ingest`: its parts, made and connected, from the checks at the start to the stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from uuid import uuid4

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.errors import SettingsError
from streams.ingest.converter import EventConverter, IngestCounts
from streams.ingest.ingest_loop import IngestLoop
from streams.ingest.source_positions import SourcePositions, StartAt
from streams.ingest.source_topics import SourceTopics, ingest_group, ingest_rights
from streams.ingest.source_watch import SourceWatch
from streams.kafka.client.access import raise_permanent, with_cure
from streams.kafka.group_consumer import GroupConsumer
from streams.kafka.group_offsets import GroupOffsets
from streams.kafka.transaction import TransactionWriter
from streams.registry.connection import connect_registry
from streams.schema.adapters.registry import FORMATS
from streams.schema.decoder import SchemaRules
from streams.settings.settings import Settings
from streams.worker.process.lifecycle import stop_event

log = logging.getLogger(__name__)

Offsets: TypeAlias = Mapping[TopicPartition, int]

_REPORT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What a command asks for."""

    sources: Sequence[str]
    format: str | None = None  # of all records; None: that of each
    start_at: StartAt = "earliest"  # in partitions that the group has never read
    limit: int | None = None  # records that this process reads
    until_end: bool = False  # until the group has read all that is there at the start


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far this process is."""

    counts: IngestCounts
    seconds: float
    lag: int  # records of the partitions that it has


async def ingest(
    settings: Settings,
    options: IngestOptions,
    report: Callable[[IngestProgress], None],
    notify: Callable[[str], None],
) -> IngestProgress:
    """Ingests until SIGINT, SIGTERM, or the end that the options name; returns what became of the records.

    `report` is called every half second, `notify` with one line for whoever operates this. Raises StreamError or
    KafkaError.
    """
    rules, stop = _rules(settings, options), stop_event()
    topics = SourceTopics(settings, options.sources)
    stack = AsyncExitStack()
    try:
        starting = asyncio.create_task(_start(settings, options, rules, topics, stack, notify))
        if not await _done_before(starting, stop):
            return IngestProgress(IngestCounts(), 0.0, 0)
        watch = SourceWatch(settings, topics, notify)
        return await _run(*starting.result(), options.limit, stop, watch, report)
    except Exception as error:
        cure = await with_cure(settings.kafka, error, ingest_rights(settings, topics.sources))
        if cure is error:
            raise
        raise cure from error
    finally:
        await _close(stack)


async def _close(stack: AsyncExitStack) -> None:
    try:
        await stack.aclose()
    except (KafkaError, asyncio.CancelledError) as error:
        # Without a broker aiokafka cannot close in order, and raises the cancellation of its own tasks.
        log.debug("closing was incomplete: %r", error)


async def _done_before(starting: asyncio.Task[Any], stop: asyncio.Event) -> bool:
    """Whether the start ends before it is stopped; then it is cancelled."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        return True
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return False


def _rules(settings: Settings, options: IngestOptions) -> SchemaRules:
    if options.format is not None and options.format not in FORMATS:
        raise SettingsError([f"--format {options.format}: there is no such format, there are {', '.join(FORMATS)}"])
    adapter = None if options.format is None else FORMATS[options.format]
    return replace(SchemaRules.of(settings.events), adapter=adapter, check_key=False)


async def _start(
    settings: Settings,
    options: IngestOptions,
    rules: SchemaRules,
    topics: SourceTopics,
    stack: AsyncExitStack,
    notify: Callable[[str], None],
) -> tuple[IngestLoop, Offsets | None]:
    """The loop, whose parts the stack stops, last first; and the ends of the sources, where it is to stop there."""
    kafka, group_id = settings.kafka, ingest_group(settings)
    stack.push_async_callback(topics.stop)
    await topics.start()
    registry = await connect_registry(settings.registry)
    rules = replace(rules, transcoder=registry)
    # The consumer has the transactional id for its client id: members of the group show which writers are there.
    writer = TransactionWriter(kafka, purpose=f"ingest-{uuid4()}")
    offsets = GroupOffsets(kafka, group_id)
    consumer = GroupConsumer(kafka, group_id, writer.transactional_id)
    positions = SourcePositions(kafka, offsets, consumer, writer.transactional_id, topics, options.start_at, notify)
    names = settings.topics
    partitions = topics.partitions(names.user_events), topics.partitions(names.user_events_dlq)
    converter = EventConverter(settings, rules, *partitions)
    rights = ingest_rights(settings, topics.sources)

    async def raise_if_permanent(error: KafkaError) -> None:
        await raise_permanent(kafka, error, rights)

    loop = IngestLoop(consumer, positions, converter, writer, settings.worker, registry, raise_if_permanent, notify)
    for part in (offsets, writer):
        stack.push_async_callback(part.stop)
        await part.start()
    stack.push_async_callback(consumer.stop)
    await consumer.start(topics.sources, loop.on_assigned, loop.on_revoked)
    notify(f"reading {', '.join(topics.sources)} as a member of the group {group_id}")
    if not options.until_end:
        return loop, None
    return loop, {tp: end for tp, (_, end) in (await consumer.log_ranges(topics.source_partitions)).items()}


async def _run(
    loop: IngestLoop,
    ends: Offsets | None,
    limit: int | None,
    stop: asyncio.Event,
    watch: SourceWatch,
    report: Callable[[IngestProgress], None],
) -> IngestProgress:
    began_s = time.monotonic()

    def progress() -> IngestProgress:
        return IngestProgress(loop.counts, time.monotonic() - began_s, loop.lag())

    running, watching = asyncio.create_task(loop.run(stop, limit, ends)), asyncio.create_task(watch.run())
    tasks = (running, watching)
    try:
        while not (done := (await asyncio.wait(tasks, timeout=_REPORT_S, return_when=asyncio.FIRST_COMPLETED))[0]):
            report(progress())
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return progress()

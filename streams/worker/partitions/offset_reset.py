"""Reset of a stopped group: where in the source topic its workers begin, and whether user state begins anew.

As Kafka Streams' application reset tool: the next offset and the rows that were made of earlier records go together.
One transaction holds the new offset rows, a tombstone for each row, and the group's offsets. Before it is committed
the group is looked at again: a worker that has joined by then is a member, and the reset ends; one that joins later
finds the transaction open in the changelog, and ends it. So no worker is changed behind its back.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from state.row_format import without_offset
from streams.errors import GroupActiveError, TopicError, TransactionFailed
from streams.kafka.client.access import check_access, reset_rights
from streams.kafka.client.client_options import client_options
from streams.kafka.client.metadata import topic_metadata
from streams.kafka.fenced_producer import EmptyGroup
from streams.kafka.group_admin import group_admin
from streams.kafka.reader import read_topic
from streams.kafka.transaction import ProducerRecord, TransactionWriter, end_transaction
from streams.settings.settings import Settings
from streams.worker.partitions.changelog import ID_KEY, OFFSET_KEY, REVIEWS_KEY, Changelog, SourceOffset

ResetTarget = Literal["earliest", "latest"] | int
"""Where to begin; a number is a record time, epoch ms"""

_TRANSACTION_TIMEOUT_MS = 600_000  # tombstones of millions of users take a while


class PartitionReset(NamedTuple):
    """What a reset changes in one partition."""

    partition: int
    before: int | None  # next offset; None where nothing was applied
    after: int
    rows: int  # that are deleted, or kept


async def reset_offsets(settings: Settings, target: ResetTarget, keep_rows: bool = False) -> list[PartitionReset]:
    """The group's workers begin at the target; user state begins anew, unless its rows are kept.

    Raises GroupActiveError while the group has members, TopicError where a topic is missing, TransactionFailed where
    the transaction did not commit: then nothing is changed.
    """
    kafka, source, changelog = settings.kafka, settings.topics.user_events, settings.changelog_topic
    await check_access(kafka, reset_rights(settings))
    async with topic_metadata(kafka) as client:
        topics = await client.describe([source, changelog])
    if missing := [topic for topic in (source, changelog) if topic not in topics]:
        raise TopicError(f"{', '.join(missing)} does not exist: nothing is to be reset")
    partitions = range(min(topics[source].partitions, topics[changelog].partitions))
    await _refuse_members(settings)
    targets = await _target_offsets(settings, target, partitions)
    await _end_open_transactions(settings, partitions)
    rows, offsets, with_id = await _read_changelog(settings)
    writer = TransactionWriter(kafka, transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS)
    records: dict[TopicPartition, list[ProducerRecord]] = {}
    for partition in partitions:
        row = SourceOffset(
            targets[partition], writer.transactional_id, int(time.time() * 1000), topics[source].topic_id
        )
        # The offset row first: it names the writer to a worker that finds the transaction open.
        part = [ProducerRecord(OFFSET_KEY, row.encode())]
        if partition not in with_id:
            part.append(ProducerRecord(ID_KEY, uuid4().bytes))
        part += [
            ProducerRecord(user, without_offset(value) if keep_rows else None)
            for user, value in rows[partition].items()
        ]
        records[TopicPartition(changelog, partition)] = part
    await _commit(writer, settings, records, {TopicPartition(source, p): offset for p, offset in targets.items()})
    return [PartitionReset(p, offsets.get(p), targets[p], len(rows[p])) for p in partitions]


async def _refuse_members(settings: Settings) -> None:
    async with group_admin(settings.kafka) as admin:
        members = await admin.members()
    if members:
        raise GroupActiveError(
            f"the group {settings.kafka.group_id} has {len(members)} members, on {', '.join(sorted(set(members)))}: "
            "stop all workers, wait for as long as kafka.session_timeout_s "
            f"({settings.kafka.session_timeout_s:g} s) where one was killed, and try again"
        )


async def _target_offsets(settings: Settings, target: ResetTarget, partitions: range) -> dict[int, int]:
    consumer = AIOKafkaConsumer(
        **client_options(settings.kafka), isolation_level="read_committed", auto_offset_reset="none"
    )
    tps = [TopicPartition(settings.topics.user_events, partition) for partition in partitions]
    await consumer.start()
    try:
        if target == "earliest":
            offsets = await consumer.beginning_offsets(tps)
        else:
            offsets = await consumer.end_offsets(tps)
            if target != "latest":
                later = await consumer.offsets_for_times(dict.fromkeys(tps, target))
                offsets |= {tp: first.offset for tp, first in later.items() if first is not None}
    finally:
        await consumer.stop()
    return {tp.partition: int(offset) for tp, offset in offsets.items()}


async def _end_open_transactions(settings: Settings, partitions: range) -> None:
    """Ends what a killed worker has left open, so that the rows that are read next are final."""

    async def end_transactions(writers: set[str]) -> None:
        for writer in writers:
            await end_transaction(settings.kafka, writer)

    changelog = Changelog(settings.kafka, settings.changelog_topic)
    await changelog.start()
    try:
        await changelog.wait_for_stable_offset(partitions, end_transactions)
    finally:
        await changelog.stop()


async def _read_changelog(settings: Settings) -> tuple[Mapping[int, dict[bytes, bytes]], dict[int, int], set[int]]:
    """The rows by partition and user, the next offsets, and the partitions that have an id row."""
    rows: defaultdict[int, dict[bytes, bytes]] = defaultdict(dict)
    offsets: dict[int, int] = {}
    with_id: set[int] = set()
    async for record in read_topic(settings.kafka, settings.changelog_topic):
        key, value, partition = record.key or b"", record.value, record.partition
        if key == ID_KEY:
            with_id.add(partition)
        elif key == OFFSET_KEY and value is not None:
            offsets[partition] = SourceOffset.decode(value).next_offset
        elif value is None:
            rows[partition].pop(key, None)
        elif key != REVIEWS_KEY:
            rows[partition][key] = value
    return rows, offsets, with_id


async def _commit(
    writer: TransactionWriter,
    settings: Settings,
    records: Mapping[TopicPartition, list[ProducerRecord]],
    offsets: Mapping[TopicPartition, int],
) -> None:
    await writer.start()
    try:
        await writer.write(
            records, offsets, EmptyGroup(settings.kafka.group_id), before_commit=partial(_refuse_members, settings)
        )
    except (GroupActiveError, TransactionFailed):
        await writer.restart()  # which ends the transaction: nothing of it becomes visible
        await _refuse_members(settings)  # of a worker that has ended it, aiokafka says no more than that it is ended
        raise
    finally:
        await writer.stop()

"""Why our consumer replaces aiokafka's record iterator: at bytes that it cannot decode it raises, again and again."""

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.util import calc_crc32c

from streams.local_kafka.cluster import LocalKafka
from tests.contracts.cluster import Cluster
from tests.segments import ATTRIBUTES, overwrite, segment, stored_batches


def damage(file: Path, how: str) -> type[Exception]:
    """Damages the second batch of the segment; the error that aiokafka raises at it."""
    batch = stored_batches(file)[1]
    if how == "checksum":
        overwrite(file, batch.position + batch.size - 3, b"\xff")
        return CorruptRecordException
    if how == "codec":
        overwrite(file, batch.position + ATTRIBUTES, struct.pack(">h", 6))
    else:
        overwrite(file, file.read_bytes().index(b"trace", batch.position), b"tr\xe6ce")
    data = file.read_bytes()[batch.position : batch.position + batch.size]
    overwrite(file, batch.position + ATTRIBUTES - 4, struct.pack(">I", calc_crc32c(data[ATTRIBUTES:])))
    return UnsupportedCodecError if how == "codec" else CorruptRecordException


async def next_records(consumer: Any, tp: TopicPartition) -> None:
    async with asyncio.timeout(30):
        while not await consumer.getmany(tp, timeout_ms=100):
            pass


@pytest.mark.parametrize("how", ["checksum", "codec", "header name"])
async def test_the_same_bytes_raise_at_every_fetch_and_hide_what_precedes_them(
    kafka: LocalKafka, cluster: Cluster, how: str
) -> None:
    topic = await cluster.create_topic()
    async with cluster.producer() as producer:
        for value in (b"a", b"b", b"c"):
            await producer.send_and_wait(topic, value, partition=0, headers=[("trace", b"1")])
    error = damage(segment(kafka, topic), how)
    tp = TopicPartition(topic, 0)
    async with cluster.consumer() as consumer:
        consumer.assign([tp])
        consumer.seek(tp, 0)
        for _ in range(2):
            with pytest.raises((error, UnicodeDecodeError)):
                await next_records(consumer, tp)
            assert await consumer.position(tp) == 0


def test_the_hooks_that_the_isolating_consumer_uses() -> None:
    fetcher: Any = Fetcher
    assert callable(fetcher._proc_fetch_request)
    assert callable(PartitionRecords._unpack_records)

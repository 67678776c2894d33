from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.local_kafka.cluster import LocalKafka
from streams.settings.sections import KafkaSettings
from streams.worker.partitions.offset_gaps import OffsetGaps
from tests.topics import create_topics


@pytest.fixture
async def topic(kafka: LocalKafka, prefix: str) -> str:
    await create_topics(kafka.bootstrap_servers, {prefix: 1})
    return prefix


@pytest.fixture
async def gaps(kafka: LocalKafka, topic: str) -> AsyncIterator[OffsetGaps]:
    gaps = OffsetGaps(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), topic)
    await gaps.start()
    yield gaps
    await gaps.stop()


async def test_markers_and_aborted_records_are_offset_gaps_and_committed_records_are_not(
    kafka: LocalKafka, topic: str, gaps: OffsetGaps
) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{topic}-t")
    await producer.start()
    for outcome in (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction):
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"x", partition=0)
        await producer.send_and_wait(topic, b"y", partition=0)
        await outcome()
    await producer.stop()
    # 0 1 | marker 2 | aborted 3 4 | marker 5 | 6 7 | marker 8
    assert await gaps.is_offset_gap(0, 2, 6)
    assert await gaps.is_offset_gap(0, 4, 6)
    assert not await gaps.is_offset_gap(0, 1, 6)
    assert not await gaps.is_offset_gap(0, 2, 7)

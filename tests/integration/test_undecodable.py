"""What no client library decodes, in the segment file of a real broker: isolated, and its neighbours applied."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from aiokafka.record.util import calc_crc32c

from streams.local_kafka.cluster import LocalKafka
from tests.inputs import event
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.segments import ATTRIBUTES, StoredBatch, overwrite, segment, stored_batches

_CRC = ATTRIBUTES - 4


async def _send_batches(kafka: LocalKafka, site: Deployment) -> tuple[Path, list[StoredBatch]]:
    """Three batches of twenty events each in the only partition; where they lie."""
    async with site.producer(enable_idempotence=True) as producer:
        for begin in (0, 20, 40):
            for future in [
                await producer.send(
                    site.settings.topics.user_events, value, key=key, partition=0, headers=[("trace", b"1")]
                )
                for key, value in (round_robin_event(n) for n in range(begin, begin + 20))
            ]:
                await future
            await producer.flush()
    file = segment(kafka, site.settings.topics.user_events)
    return file, [batch for batch in stored_batches(file) if not batch.is_control]


def _seal(file: Path, batch: StoredBatch) -> None:
    """The batch gets the checksum of what it holds now."""
    data = file.read_bytes()[batch.position : batch.position + batch.size]
    overwrite(file, batch.position + _CRC, struct.pack(">I", calc_crc32c(data[ATTRIBUTES:])))


@pytest.mark.parametrize(
    ("damage", "code"),
    [("checksum", "corrupt_batch"), ("codec", "unknown_codec"), ("compressed bytes", "corrupt_batch")],
)
async def test_a_batch_that_cannot_be_decoded_becomes_a_dead_letter(
    kafka: LocalKafka, deploy: Deploy, damage: str, code: str
) -> None:
    site = await deploy("topics.partitions=1")
    file, batches = await _send_batches(kafka, site)
    damaged = next(batch for batch in batches if batch.base_offset <= 25 <= batch.last_offset)
    if damage == "checksum":
        overwrite(file, damaged.position + damaged.size - 4, b"\xff\xff")
    else:
        codec = 6 if damage == "codec" else 4
        overwrite(file, damaged.position + ATTRIBUTES, struct.pack(">h", codec))
        _seal(file, damaged)
    worker = site.worker()
    await site.sent_by_others()
    await site.applied()
    await site.send([event("later", 99)])
    await site.finish(worker)
    (letter,) = [record async for record in site.read(site.settings.topics.user_events_dlq)]
    headers = {name: text.decode() for name, text in letter.headers}
    assert headers["interest.error.reason"] == code
    assert headers["interest.error.offset"] == str(damaged.last_offset)
    assert f"offsets {damaged.base_offset} to {damaged.last_offset}" in headers["interest.error.message"]
    assert letter.value == file.read_bytes()[damaged.position : damaged.position + damaged.size]
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == 61 - (damaged.last_offset - damaged.base_offset + 1)


@pytest.mark.parametrize("where", ["events", "catalog"])
async def test_a_header_name_that_is_not_utf8_costs_nothing(kafka: LocalKafka, deploy: Deploy, where: str) -> None:
    site = await deploy("topics.partitions=1")
    topic = site.settings.topics.user_events if where == "events" else site.settings.topics.item_catalog
    async with site.producer() as producer:
        for number in range(3):
            key, value = round_robin_event(number) if where == "events" else (f"i{number}".encode(), b'{"title": "T"}')
            await producer.send_and_wait(topic, value, key=key, partition=0, headers=[("trace", b"1")])
    file = segment(kafka, topic)
    batch = stored_batches(file)[1]
    position = file.read_bytes().index(b"trace", batch.position)
    overwrite(file, position, b"tr\xe6ce")
    _seal(file, batch)
    worker = site.worker()
    if where == "catalog":
        await site.send(round_robin_event(number) for number in range(3))
    else:
        await site.sent_by_others()
    await site.finish(worker)
    assert sum(row.count for row in (await site.check(stopped=["a"])).values()) == 3
    assert [record async for record in site.read(site.settings.topics.user_events_dlq)] == []


@pytest.mark.parametrize("which", ["changelog", "item_index"])
async def test_damage_in_what_cannot_do_without_a_record_ends_the_worker(
    kafka: LocalKafka, deploy: Deploy, which: str
) -> None:
    site = await deploy("topics.partitions=1")
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(60))
    await site.finish(worker)
    topic = site.settings.changelog_topic if which == "changelog" else site.settings.topics.item_index
    file = segment(kafka, topic)
    batch = stored_batches(file)[0]
    overwrite(file, batch.position + batch.size - 4, b"\xff\xff")
    fresh = site.worker("b")
    assert await fresh.ended() == 70
    last = fresh.text().strip().splitlines()[-1]
    assert topic in last
    assert "restore the topic" in last
    assert "Traceback" not in fresh.text()

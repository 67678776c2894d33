"""Source topics that are missing, replaced, cut, or not to be read, and settings of ingest, on a real broker."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from functools import partial
from io import BytesIO
from pathlib import Path

import fastavro
import orjson
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.ingest.source_positions import OffsetNote
from streams.kafka.client.metadata import topic_metadata
from streams.settings.sections import EventSettings
from streams.terminal.dead_letters import LetterFilter, read_letters
from streams.worker.dead_letter_replay import replay_letters
from tests.integration.deployment import Deploy
from tests.integration.faults import wait_at_the_start_of_ingest
from tests.integration.ingesting import IngestSite
from tests.integration.worker import Command, killed_at_end
from tests.registry_server import RegistryServer, serving
from tests.topics import create_topics


async def recreate(ingest: IngestSite, topic: str) -> None:
    async with ingest.site.admin() as admin:
        await admin.delete_topics([topic])
    async with topic_metadata(ingest.site.settings.kafka) as client:
        while await client.describe([topic]):
            await asyncio.sleep(0.05)
    await create_topics(ingest.site.servers, {topic: 4})


async def test_topics_that_cannot_be_ingested_are_refused(ingest: IngestSite, tmp_path: Path) -> None:
    names = ingest.site.settings.topics
    topics_of_worker = [
        names.user_events,
        names.user_events_dlq,
        names.item_index,
        ingest.site.settings.changelog_topic,
    ]
    ends = [
        (ingest.start_from(topics_of_worker), [f"--from {topic}: " for topic in topics_of_worker]),
        (ingest.start_from(["nowhere", ingest.clicks]), ["nowhere does not exist at ", "create it"]),
        (ingest.start("--format", "protobuf"), ["--format protobuf: there is no such format", "segment, mixpanel"]),
        (ingest.start("--set=topics.partitions=5"), ["has 3 partitions, must have 5", "--set topics.partitions=3"]),
        (ingest.start("--set=topics.user_events=none"), ["none does not exist", "`interest-stream topics` creates"]),
        (ingest.start("--set=kafka.bootstrap_servers=127.0.0.1:9"), ["no broker answers at 127.0.0.1:9: "]),
    ]
    for process, messages in ends:
        await ingest.ends_with(process, *messages)


async def test_a_source_that_was_created_again_is_read_from_its_beginning(ingest: IngestSite) -> None:
    await ingest.send(range(100))
    await ingest.finish()
    running = ingest.start()
    await running.wait_for("as a member of the group")
    await recreate(ingest, ingest.clicks)
    await ingest.send(range(100, 150))
    await ingest.finish()
    await ingest.check()
    if running.exit_code is None:  # it had to open the new topic before it saw that it is one
        await ingest.stop(running)
    else:
        await ingest.ends_with(running, f"{ingest.clicks} was deleted")


@pytest.mark.parametrize(
    ("offset", "topic_id", "message"),
    [
        (5, "d2a4b5f0-0000-4000-8000-000000000000", " was deleted and created again since it was read. Restore it; or"),
        (999, "", " partition 2 ends at offset 0, but was read up to 999: it was rolled back. Restore it; or"),
    ],
)
async def test_offsets_of_another_log_are_refused_until_they_are_set(
    ingest: IngestSite, offset: int, topic_id: str, message: str
) -> None:
    tp = TopicPartition(ingest.clicks, 2)
    await commit(ingest, tp, offset, OffsetNote("gone", topic_id).encode())
    await ingest.ends_with(
        ingest.start("--until-end"),
        ingest.clicks + message,
        f"kafka-consumer-groups.sh --bootstrap-server {ingest.site.servers} --group {ingest.group} ",
        f"--topic {ingest.clicks} --reset-offsets --to-earliest --execute",
    )
    await commit(ingest, tp, 0, "")  # what that command does
    await ingest.send(range(20))
    await ingest.finish()
    await ingest.check()


async def commit(ingest: IngestSite, tp: TopicPartition, offset: int, metadata: str) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=ingest.site.servers, group_id=ingest.group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([tp])
    await consumer.commit({tp: (offset, metadata)})
    await consumer.stop()


async def test_records_that_expired_unread_are_named(ingest: IngestSite) -> None:
    await ingest.send(range(100))
    await ingest.finish()
    await ingest.send(range(100, 200))
    expired = TopicPartition(ingest.orders, 0)
    async with ingest.site.admin() as admin:
        committed = (await admin.list_consumer_group_offsets(ingest.group))[expired].offset
        await admin.delete_records({expired: RecordsToDelete(before_offset=committed + 7)})
    await ingest.finish()
    text = ingest.processes[-1].text()
    assert f"{ingest.orders} partition 0: 7 records (offsets {committed} to {committed + 6}) expired" in text
    assert len(await ingest.events()) + ingest.bad == len(ingest.sent) + ingest.bad - 2 * 7


@pytest.mark.slow
async def test_partitions_that_a_source_gets_are_ingested_and_those_of_the_input_end_it(ingest: IngestSite) -> None:
    await ingest.send(range(100))
    running = ingest.start()
    await ingest.reached(200)
    async with ingest.site.admin() as admin:
        await admin.create_partitions({ingest.orders: NewPartitions(5)})
    async with ingest.site.producer() as producer:
        value = orjson.dumps({"user_id": "u", "event_type": "click", "item_id": "i", "timestamp": 1731900000000})
        await producer.send_and_wait(ingest.orders, value, partition=4)
    await ingest.reached(201)
    async with ingest.site.admin() as admin:
        await admin.create_partitions({ingest.site.settings.topics.user_events: NewPartitions(4)})
    await ingest.ends_with(running, "has 4 partitions now, not 3", "--set topics.partitions=4")


async def test_the_settings_name_fields_and_are_not_applied_again_by_the_worker(deploy: Deploy, tmp_path: Path) -> None:
    processes: list[Command] = []
    overrides = (
        'events.map={ user = "who", item = "user_id", type = "what" }',
        'events.types={ looked = "view", view = "ignore" }',
    )
    with killed_at_end(processes):
        ingest = await IngestSite(await deploy(*overrides), processes).create()
        site = ingest.site
        fields = {"who": "u1", "user_id": "i7", "timestamp": 1731900000000}
        async with site.producer() as producer:
            for number, kind in enumerate(["looked", "view", "bought"]):
                value = orjson.dumps(fields | {"what": kind, "event_id": f"e{number}"})
                await producer.send_and_wait(ingest.clicks, value)
        worker = site.worker()
        await ingest.finish()
        assert "1 records hold no event of interest" in processes[-1].text()
        await worker.owns()
        await site.sent_by_others()
        await site.applied()
        await worker.stop()
        rows = await site.check(stopped=["a"])
        assert {user: row.count for user, row in rows.items()} == {"u1": 2}


async def test_dead_letters_of_ingest_are_replayed_to_their_users(ingest: IngestSite) -> None:
    settings = ingest.site.settings
    fields = {"user_id": "u1", "event_type": "click", "timestamp": 1731900000000}
    async with ingest.site.producer() as producer:
        for number in range(10):
            value = orjson.dumps(fields | {"user_id": f"u{number}", "sku": "i1"})
            await producer.send_and_wait(ingest.clicks, value, key=b"session-1")
    await ingest.finish()
    assert {letter.reason for letter in await ingest.letters()} == {"missing_field"}
    mended = dataclasses.replace(settings, events=EventSettings(map={"item": "sku"}))
    counts = await replay_letters(mended, partial(read_letters, mended, LetterFilter()))
    assert (counts.letters, counts.events) == (10, 10)
    ingest.sent.update(f"{letter.topic}:{letter.partition}:{letter.offset}" for letter in await ingest.letters())
    ingest.bad = 0
    events = [orjson.loads(record.value)["event_id"] for record in await ingest.events()]
    assert sorted(events) == sorted(ingest.sent)


async def test_one_format_alone(ingest: IngestSite) -> None:
    await ingest.send(range(20))
    process = ingest.start("--format", "segment", "--until-end")
    assert await process.ended() == 0, process.text()
    letters = await ingest.letters()
    assert {letter.reason for letter in letters} == {"not_json", "wrong_format"}
    assert len(letters) == 20
    assert len(await ingest.events()) == 40


async def test_a_process_that_is_stopped_while_it_starts_ends_in_order(ingest: IngestSite) -> None:
    process = ingest.start(fault=wait_at_the_start_of_ingest)
    await process.wait_for("waiting")
    process.send(signal.SIGTERM)
    assert await process.ended() == 0, process.text()
    assert "Traceback" not in process.text()


async def test_avro_by_a_registry_is_ingested_whatever_its_key(ingest: IngestSite) -> None:
    registry = RegistryServer()
    with serving(registry):
        names = ("user_id", "event_type", "item_id", "event_id")
        fields = [{"name": name, "type": "string"} for name in names] + [{"name": "timestamp", "type": "long"}]
        schema = {"type": "record", "name": "Click", "fields": fields}
        prefix = b"\0" + registry.add("clicks-value", schema).to_bytes(4)
        async with ingest.site.producer() as producer:
            for number in range(20):
                event = {"user_id": f"u{number}", "event_type": "click", "item_id": "i", "event_id": f"a{number}"}
                written = BytesIO()
                fastavro.schemaless_writer(written, schema, event | {"timestamp": 1731900000000})
                await producer.send_and_wait(ingest.clicks, prefix + written.getvalue(), key=b"\0\0\0\0\x63session")
            await producer.send_and_wait(ingest.clicks, b"\0\0\0\0\x63unknown")
        process = ingest.start("--until-end", f"--set=registry.url={registry.url}")
        assert await process.ended() == 0, process.text()
    ids = {orjson.loads(record.value)["event_id"] for record in await ingest.events()}
    assert ids == {f"a{number}" for number in range(20)}
    assert [letter.reason for letter in await ingest.letters()] == ["unknown_schema_id"]

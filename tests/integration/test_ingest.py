"""Topics that are keyed otherwise become events of their users, exactly once, on a real broker."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import defaultdict
from functools import partial

import orjson
import pytest
from aiokafka import TopicPartition

from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.reference_fold import fold_changelog
from streams.schema.dead_letters.dead_letter import PREFIX
from tests.integration.faults import (
    combine,
    fail_a_commit,
    keep_transactions_open,
    read_unstable_offsets,
    signal_at,
)
from tests.integration.ingesting import IngestSite, feed
from tests.integration.worker import DEADLINE_S

PRODUCER = "streams.kafka.fenced_producer:FencedProducer"
BATCHES = [range(begin, begin + 250) for begin in range(0, 10_000, 250)]


async def test_records_of_any_key_and_schema_reach_the_worker(ingest: IngestSite) -> None:
    site = ingest.site
    fields = {"user_id": "u1", "event_type": "click", "item_id": "i1", "timestamp": 1731900000000}
    posthog = {"event": "view", "distinct_id": "u2", "timestamp": "2024-11-18T03:20:00Z", "properties": {"sku": "i2"}}
    records = [
        (b"session-1", orjson.dumps(fields)),
        (None, orjson.dumps([fields, fields | {"item_id": None}, fields | {"user_id": 3, "colour": "red"}])),
        (b"order-7", orjson.dumps({"api_key": "k", "batch": [posthog, posthog | {"uuid": "ph"}]})),
        (b"\xff\xfe", orjson.dumps({"event_type": "item.upsert", "item_id": "i1", "title": "One"})),
        (b"x", None),
        (b"x", orjson.dumps({"type": "identify", "userId": "u9"})),
    ]
    async with site.producer() as producer:
        for key, value in records:
            await producer.send_and_wait(ingest.clicks, value, key=key, partition=2)
    await ingest.finish()
    events = {r.key: orjson.loads(r.value) for r in await ingest.events() if r.key in (b"3", b"i1")}
    assert events[b"3"]["event_id"] == f"{ingest.clicks}:2:1:2"
    assert events[b"i1"] == {
        "event_type": "item.upsert",
        "item_id": "i1",
        "title": "One",
        "text": "",
        "categories": [],
        "features": [],
        "numbers": {},
        "protected": False,
        "schema_version": 1,
    }
    by_user = defaultdict(list)
    for record in await ingest.events():
        by_user[record.key].append(orjson.loads(record.value).get("event_id"))
    clicks = ingest.clicks
    assert by_user[b"u1"] == [f"{clicks}:2:0", f"{clicks}:2:1:0"]
    assert by_user[b"u2"] == [f"{clicks}:2:2:0", "ph"]

    partial_letter, null_letter = await ingest.letters()
    assert (partial_letter.reason, partial_letter.events, partial_letter.partition) == ("missing_field", (1,), 2)
    assert (null_letter.reason, null_letter.topic, null_letter.offset) == ("null_value", clicks, 4)
    headers = [r.headers async for r in site.read(site.settings.topics.user_events_dlq)]
    assert {name for name, _ in headers[0]} == {
        PREFIX + name
        for name in ("reason", "message", "topic", "partition", "offset", "timestamp", "app_version", "events")
    }

    worker = site.worker()
    await worker.owns()
    await site.sent_by_others()
    await site.applied()
    await site.send([(b"u1", orjson.dumps({"event_type": "user.delete", "user_id": "u1"}))])
    async with site.producer() as producer:
        erasure = orjson.dumps({"event_type": "user.delete", "user_id": "u2"})
        await producer.send_and_wait(ingest.orders, erasure, key=b"order-9")
    await ingest.finish()
    while len(rows := await fold_changelog(site.settings.kafka, site.settings.changelog_topic)) > 1:
        assert worker.exit_code is None, worker.text()
    await worker.stop()
    assert rows.keys() == {"3"}
    assert "2 of" not in worker.text()


@pytest.mark.slow
async def test_two_processes_killed_at_random_ingest_every_event_once(ingest: IngestSite) -> None:
    site, chance = ingest.site, random.Random(5)
    worker = site.worker()
    feeding = asyncio.create_task(feed(ingest, BATCHES))
    running = [ingest.start(), ingest.start()]
    for target in sorted(chance.randrange(500, 15_000) for _ in range(4)):
        await ingest.reached(target)
        await asyncio.sleep(chance.uniform(0, 0.1))  # at any point of a step
        victim = chance.randrange(2)
        running[victim].kill()
        running[victim] = ingest.start()
    await feeding
    for process in running:
        await ingest.stop(process)
    await ingest.finish()
    await ingest.check()

    await worker.owns()
    await site.sent_by_others()
    await site.applied()
    await worker.stop()
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == ingest.sent.total()


@pytest.mark.parametrize(
    ("method", "after"),
    [
        pytest.param(f"{PRODUCER}.begin_transaction", False, id="before-begin"),
        pytest.param(f"{PRODUCER}.send_offsets", False, id="records-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", False, id="offsets-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", True, id="committed"),
    ],
)
async def test_a_process_killed_in_a_transaction_leaves_nothing_half_done(
    ingest: IngestSite, method: str, after: bool
) -> None:
    """Its transaction would stay open for longer than the test may take: the successor ends it."""
    fault = partial(signal_at, method, 3, signal.SIGKILL, after)
    victim = ingest.start(fault=partial(combine, keep_transactions_open, fault))
    for batch in BATCHES:
        await ingest.send(batch)
        if victim.exit_code is not None:
            break
    assert await victim.ended() == -signal.SIGKILL
    await ingest.finish()
    await ingest.check()


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(f"{PRODUCER}.begin_transaction", id="before-begin"),
        pytest.param(f"{PRODUCER}.send_offsets", id="records-sent"),
        pytest.param(f"{PRODUCER}.commit_transaction", id="offsets-sent"),
    ],
)
async def test_a_frozen_process_wakes_up_after_its_partitions_were_taken(ingest: IngestSite, method: str) -> None:
    fault = partial(signal_at, method, 4, signal.SIGSTOP)
    sleeper = ingest.start(fault=partial(combine, keep_transactions_open, fault))
    for batch in BATCHES[:10]:
        await ingest.send(batch)
    await sleeper.wait_frozen()
    await ingest.finish()
    await ingest.send(range(10_000, 10_500))
    sleeper.send(signal.SIGCONT)
    await ingest.reached(2 * 3000)
    await ingest.stop(sleeper)
    await ingest.finish()
    await ingest.check()


async def test_offsets_that_an_open_transaction_may_replace_would_be_read_twice(ingest: IngestSite) -> None:
    """The rules broken on purpose: the check must find it."""
    fault = partial(signal_at, f"{PRODUCER}.commit_transaction", 4, signal.SIGSTOP)
    sleeper = ingest.start(fault=partial(combine, keep_transactions_open, fault))
    for batch in BATCHES[:10]:
        await ingest.send(batch)
    await sleeper.wait_frozen()
    await ingest.finish(fault=read_unstable_offsets)
    sleeper.send(signal.SIGCONT)
    await ingest.stop(sleeper)
    with pytest.raises(AssertionError, match=r"doubled Counter.*: 1"):
        await ingest.check()


async def test_a_process_that_is_stopped_after_a_failure_leaves_no_transaction_open(ingest: IngestSite) -> None:
    failure = partial(fail_a_commit, 2)
    stop = partial(signal_at, "streams.ingest.ingest_loop:IngestLoop._recover", 1, signal.SIGTERM)
    process = ingest.start(fault=partial(combine, keep_transactions_open, failure, stop))
    await ingest.send(range(100))
    assert await process.ended() == 0, process.text()
    async with asyncio.timeout(DEADLINE_S):  # Kafka would end it after 300 s
        assert await ingest.events() == []
    await ingest.finish()
    await ingest.check()


async def test_processes_join_and_leave_under_load(ingest: IngestSite) -> None:
    feeding = asyncio.create_task(feed(ingest, BATCHES[:24]))
    first = ingest.start()
    await ingest.reached(500)
    second = ingest.start()
    await ingest.reached(2500)
    await ingest.stop(first, signal.SIGINT)
    third = ingest.start()
    await feeding
    for process in (second, third):
        await ingest.stop(process)
    await ingest.finish()
    await ingest.check()
    assert "Traceback" not in "".join(process.text() for process in ingest.processes)


async def test_processes_with_topics_of_their_own_share_the_group(ingest: IngestSite) -> None:
    await ingest.send(range(1000))
    clicks, orders = ingest.start_from([ingest.clicks]), ingest.start_from([ingest.orders])
    await ingest.reached(2000)
    await ingest.stop(clicks)
    await ingest.send(range(1000, 1100))
    await ingest.reached(2100)  # of orders alone
    await ingest.stop(orders)
    await ingest.finish()
    await ingest.check()


async def test_a_users_events_of_one_partition_keep_their_order(ingest: IngestSite) -> None:
    await ingest.send(range(2000))
    await ingest.finish()
    numbers = defaultdict(list)
    for record in await ingest.events():
        event = orjson.loads(record.value)
        if event["event_type"] == "click":
            session = int(event["event_id"][1:]) % 31  # which chooses the source partition
            numbers[record.key, session].append(int(event["event_id"][1:]))
    assert all(sorted(order) == order for order in numbers.values())
    assert len(numbers) > 97


async def test_a_limit_ends_after_so_many_records_and_the_next_process_goes_on(ingest: IngestSite) -> None:
    await ingest.send(range(600))
    limited = ingest.start("--limit", "500")
    assert await limited.ended() == 0, limited.text()
    assert "500 records read" in limited.text()
    assert await ingest.committed() == 500
    await ingest.finish()
    assert "700 records read" in ingest.processes[-1].text()
    await ingest.check()


async def test_the_end_lies_behind_the_markers_of_transactions(ingest: IngestSite) -> None:
    writer = TransactionWriter(ingest.site.settings.kafka, purpose="shop")
    await writer.start()
    topic = ingest.clicks
    for _ in range(3):
        value = orjson.dumps({"user_id": "u", "event_type": "click", "item_id": "i", "timestamp": 1731900000000})
        await writer.write({TopicPartition(topic, 0): [ProducerRecord(b"s", value)]})
    await writer.stop()
    await ingest.finish()
    assert len(await ingest.events()) == 3
    assert await ingest.committed() == 6  # each record and its marker


async def test_latest_leaves_what_was_there_before(ingest: IngestSite) -> None:
    await ingest.send(range(100))
    process = ingest.start("--start", "latest")
    await ingest.reached(200)
    ingest.sent.clear()
    ingest.bad = 0
    await ingest.send(range(100, 200))
    await ingest.reached(400)
    await ingest.stop(process)
    await ingest.check()

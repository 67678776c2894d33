"""Producers with different partitioners: users in two partitions, erasure, and the warning, on the driver."""

import asyncio

import pytest
from aiokafka.structs import TopicPartition

from streams.kafka.reader import crc32_partition_of, partition_of
from streams.kafka.transaction import ProducerRecord
from streams.worker.batch import FORWARDED_HEADER
from streams.worker.partitioners import MixedPartitioners
from tests.driver.clients import InMemoryConsumer
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, delete, event

N = 2


def test_crc32_is_that_of_librdkafka() -> None:
    """The check value of CRC-32/ISO-HDLC, which rd_crc32 computes."""
    assert crc32_partition_of(b"123456789", 2**32) == 0xCBF43926


def users(by_murmur2: int, by_crc32: int, count: int = 3) -> list[str]:
    """Users whom the partitioners send to these partitions."""
    names = (f"u{number}" for number in range(1000))
    chosen = (
        name
        for name in names
        if (partition_of(name.encode(), N), crc32_partition_of(name.encode(), N)) == (by_murmur2, by_crc32)
    )
    return [next(chosen) for _ in range(count)]


def send(driver: WorkerDriver, partition: int, *records: Input) -> None:
    tp = TopicPartition(driver.topics.user_events, partition)
    driver.broker.append(tp, [ProducerRecord(key, value, timestamp_ms=1_731_900_000_000) for key, value in records])


def test_one_partitioner_alone_is_fine(caplog: pytest.LogCaptureFixture) -> None:
    for choose in (partition_of, crc32_partition_of):
        mixed = MixedPartitioners("user-events", 8)
        for number in range(500):
            user = f"u{number}".encode()
            mixed.look(choose(user, 8), [user])
    assert caplog.text == ""


async def test_keys_are_hashed_as_they_were_sent(driver: WorkerDriver, caplog: pytest.LogCaptureFixture) -> None:
    worker = await driver.start()
    for number in range(40):
        key = number.to_bytes(8)
        send(driver, partition_of(key, N), (key, event(str(number), number)[1]))
    await worker.apply_all()
    assert not [r for r in caplog.records if "two partitioners" in r.getMessage()]
    assert len(await driver.rows()) == 40
    assert (await driver.compare()).exact
    await worker.stop()


def test_both_partitioners_are_reported_once_for_each_partition(caplog: pytest.LogCaptureFixture) -> None:
    mixed = MixedPartitioners("user-events", 8)
    for number in range(500):
        user = f"u{number}".encode()
        mixed.look(partition_of(user, 8), [user])
        mixed.look(crc32_partition_of(user, 8), [user])
    assert len(caplog.records) == 8
    assert "user-events partition 3 gets users of two partitioners" in caplog.text
    assert "partitioner=murmur2_random" in caplog.text


async def test_an_erasure_reaches_every_partition(driver: WorkerDriver) -> None:
    user, other, alone = *users(0, 1, 2), users(1, 1, 1)[0]
    worker = await driver.start()
    for partition in range(N):
        send(driver, partition, event(user, 0), event(other, 1))
    send(driver, 1, event(alone, 2))
    await worker.apply_all()
    assert set(await driver.rows()) == {f"{name} in partition {p}" for name in (user, other) for p in range(N)} | {
        alone
    }

    send(driver, 0, delete(user))
    await worker.apply_all()
    assert (await driver.compare()).exact
    assert set(await driver.rows()) == {f"{other} in partition {partition}" for partition in range(N)} | {alone}
    for topic in (driver.settings.changelog_topic, driver.topics.interest_predictions):
        newest = {(r.partition, r.key): r.value for r in driver.committed(topic)}
        assert [newest[p, user.encode()] for p in range(N)] == [None, None]
    await worker.stop()


async def test_an_erasure_is_forwarded_once_and_leaves_no_id_where_the_user_never_was(driver: WorkerDriver) -> None:
    user = users(0, 0, 1)[0]
    worker = await driver.start()
    driver.send([event(user, 0), delete(user), event(user, 1)])
    await worker.apply_all()
    await worker.apply_all()
    forwarded = [
        (r.partition, dict(r.headers).get(FORWARDED_HEADER))
        for r in driver.committed(driver.topics.user_events)
        if r.headers
    ]
    assert forwarded == [(1, b"0")]
    rows = await driver.check(worker)
    assert {name: row.count for name, row in rows.items()} == {user: 1}
    assert not [
        r for r in driver.committed(driver.settings.changelog_topic) if r.partition == 1 and r.key == user.encode()
    ]
    await worker.stop()


async def test_a_worker_reports_the_partitions_that_two_partitioners_write_to(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await driver.start()
    java, librdkafka = users(0, 1), users(1, 0)
    send(driver, 0, *(event(user, number) for number, user in enumerate([*java, *librdkafka])))
    await worker.apply_all()
    lines = [r.getMessage() for r in caplog.records if "two partitioners" in r.getMessage()]
    assert len(lines) == 1
    assert "partition 0" in lines[0]
    await worker.stop()


async def test_group_offsets_reach_the_end_behind_markers(driver: WorkerDriver) -> None:
    worker = await driver.start()
    for begin, committed in ((0, True), (20, False)):
        driver.send([event(f"u{n}", n) for n in range(begin, begin + 20)], transactional_id="producer")
        driver.broker.end_transaction("producer", "committed" if committed else "aborted")
    await worker.apply_all()
    await worker.skip_markers()
    for partition, log in enumerate(driver.broker.topics[driver.topics.user_events]):
        assert driver.broker.group.offsets[TopicPartition(driver.topics.user_events, partition)] == log.end
    changelog = [log.end for log in driver.broker.topics[driver.settings.changelog_topic]]
    await worker.skip_markers()  # nothing is left to skip
    assert [log.end for log in driver.broker.topics[driver.settings.changelog_topic]] == changelog

    driver.send([event(f"u{n}", n) for n in range(40, 60)])
    await worker.skip_markers()  # records are to come: theirs is the next offset
    await worker.apply_all()
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 40
    await worker.stop()


async def test_records_do_not_wait_while_the_broker_is_asked_for_markers(
    driver: WorkerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await driver.start()
    driver.send([event(f"u{n}", n) for n in range(20)], transactional_id="producer")
    driver.broker.end_transaction("producer", "committed")
    await worker.apply_all()
    asked, answered = asyncio.Event(), asyncio.Event()

    async def end_offsets(consumer: InMemoryConsumer, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        asked.set()
        await answered.wait()
        return await ends_at_once(consumer, tps)

    ends_at_once = InMemoryConsumer.end_offsets
    monkeypatch.setattr(InMemoryConsumer, "end_offsets", end_offsets)
    skipping = asyncio.create_task(worker.skip_markers())
    await asked.wait()
    driver.send([event(f"u{n}", n) for n in range(20, 40)])
    async with asyncio.timeout(30):
        await worker.apply_all()
    answered.set()
    await skipping
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == 40
    for partition, log in enumerate(driver.broker.topics[driver.topics.user_events]):
        assert driver.broker.group.offsets[TopicPartition(driver.topics.user_events, partition)] == log.end
    await worker.stop()

"""An input topic that is recreated, rolled back, shortened, or gets partitions, on the driver."""

import logging

import msgspec
import pytest
from aiokafka.structs import TopicPartition

from streams.errors import ChangelogError, SourceTopicError, TopicError
from streams.worker.partitions.changelog import OFFSET_KEY, SourceOffset
from tests.driver.driven_worker import DrivenWorker
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import events

GOLDEN = b'{"next_offset":42,"writer":"interest-1","written_ms":1731900000000,"topic_id":"3b1c"}'
BEFORE_TOPIC_IDS = b'{"next_offset":42,"writer":"interest-1","written_ms":1731900000000}'


def test_offset_rows_of_every_version_are_read() -> None:
    row = SourceOffset(42, "interest-1", 1_731_900_000_000, "3b1c")
    assert row.encode() == GOLDEN
    assert SourceOffset.decode(GOLDEN) == row
    assert SourceOffset.decode(BEFORE_TOPIC_IDS) == msgspec.structs.replace(row, topic_id="")


async def stopped(driver: WorkerDriver, count: int = 60) -> None:
    """A worker has applied these events and has stopped."""
    worker = await driver.start()
    driver.send(events(0, count))
    await worker.apply_all()
    await worker.stop()


async def refused(driver: WorkerDriver, name: str = "a") -> SourceTopicError:
    worker = await driver.start(name)
    with pytest.raises(SourceTopicError) as caught:
        await worker.wait_open()
    await worker.kill()
    return caught.value


@pytest.mark.parametrize("name", ["a", "on-another-machine"])
async def test_a_recreated_topic_is_refused(driver: WorkerDriver, name: str) -> None:
    await stopped(driver)
    driver.broker.recreate(driver.topics.user_events)
    driver.send(events(0, 200))  # longer than what was read: the offsets alone look right
    error = await refused(driver, name)
    assert "was deleted and created again" in str(error)
    assert "interest-stream reset" in str(error)


async def test_a_topic_that_was_rolled_back_is_refused(driver: WorkerDriver) -> None:
    await stopped(driver)
    log = driver.broker.log(TopicPartition(driver.topics.user_events, 1))
    log.entries = log.entries[:-3]
    error = await refused(driver)
    assert "partition 1 ends at offset" in str(error)
    assert "rolled back" in str(error)


async def test_rows_from_before_topic_ids_are_taken_as_they_are(driver: WorkerDriver) -> None:
    await stopped(driver)
    for log in driver.broker.topics[driver.settings.changelog_topic]:
        for index, entry in enumerate(log.entries):
            if entry.record is not None and entry.record.key == OFFSET_KEY:
                assert entry.record.value is not None
                old = msgspec.json.decode(entry.record.value)
                del old["topic_id"]
                log.entries[index] = type(entry)(
                    entry.offset, entry.record._replace(value=msgspec.json.encode(old)), entry.transaction
                )
    worker = await driver.start("b")
    driver.send(events(60, 90))
    await worker.apply_all()
    await driver.check(worker)
    newest = [r.value for r in driver.committed(driver.settings.changelog_topic) if r.key == OFFSET_KEY][-1]
    assert newest is not None
    assert SourceOffset.decode(newest).topic_id == driver.broker.topic_ids[driver.topics.user_events]
    await worker.stop()


async def test_records_that_expired_unread_are_reported_once(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    await stopped(driver)
    first = {p: log.end for p, log in enumerate(driver.broker.topics[driver.topics.user_events])}
    driver.send(events(60, 120))
    driver.broker.log(TopicPartition(driver.topics.user_events, 0)).truncate(first[0] + 5)
    worker = await driver.start()
    await worker.apply_all()
    lines = [r.getMessage() for r in caplog.records if "expired before they were read" in r.getMessage()]
    assert len(lines) == 1
    assert f"partition 0: 5 records (offsets {first[0]} to {first[0] + 4})" in lines[0]
    assert worker.partitions[0].next_offset == driver.broker.log(TopicPartition(driver.topics.user_events, 0)).end
    await worker.stop()


async def test_records_that_expire_while_the_worker_runs_are_reported(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await driver.start()
    driver.send(events(0, 60))
    await worker.apply_all()
    log = driver.broker.log(TopicPartition(driver.topics.user_events, 1))
    before = log.end
    driver.send(events(60, 200))
    log.truncate(before + 7)
    await worker.apply_all()
    assert f"partition 1: 7 records (offsets {before} to {before + 6}) expired" in caplog.text
    assert worker.partitions[1].next_offset == log.end
    assert worker.take_expired() == 7
    await worker.stop()


async def test_a_new_group_begins_with_the_oldest_record_kept(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.send(events(0, 200))
    for log in driver.broker.topics[driver.topics.user_events]:
        log.truncate(log.begin + 10)
    worker = await driver.start()
    await worker.apply_all()
    await driver.check(worker)
    assert "expired" not in caplog.text
    await worker.stop()


async def test_offsets_that_somebody_set_are_named_and_not_used(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    await stopped(driver)
    driver.broker.group.offsets[TopicPartition(driver.topics.user_events, 1)] = 3
    worker = await driver.start()
    await worker.apply_all()
    await driver.compare()
    assert "the group's offset of partition 1 was set to 3: it is not used" in caplog.text
    assert "partition 0 was set" not in caplog.text
    await worker.stop()


async def running(driver: WorkerDriver) -> DrivenWorker:
    worker = await driver.start()
    driver.send(events(0, 30))
    await worker.apply_all()
    await worker.watch_topics()
    return worker


async def test_added_partitions_end_the_worker_with_the_cure_of_the_start(driver: WorkerDriver) -> None:
    worker = await running(driver)
    driver.broker.add_partitions(driver.topics.user_events, 5)
    with pytest.raises(TopicError, match=r"has 5 partitions, must have 2: if 5 is right, --set topics.partitions=5"):
        await worker.watch_topics()
    await worker.stop()


async def test_a_topic_that_is_recreated_while_the_worker_runs_ends_it(driver: WorkerDriver) -> None:
    worker = await running(driver)
    driver.broker.recreate(driver.topics.user_events)
    with pytest.raises(SourceTopicError, match="deleted and created again while this worker read it"):
        await worker.watch_topics()
    await worker.stop()


async def test_a_changelog_that_is_recreated_while_the_worker_runs_ends_it(driver: WorkerDriver) -> None:
    worker = await running(driver)
    driver.broker.recreate(driver.settings.changelog_topic)
    with pytest.raises(ChangelogError, match="deleted and created again"):
        await worker.watch_topics()
    await worker.stop()


async def test_a_deleted_topic_that_is_not_there_yet_ends_nothing(
    driver: WorkerDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    worker = await running(driver)
    del driver.broker.topic_ids[driver.topics.interest_quality]
    await worker.watch_topics()
    assert caplog.text == ""
    await worker.stop()

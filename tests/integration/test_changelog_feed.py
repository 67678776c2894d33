"""The changelog as a trainer reads it: every row once and in order, from any position, and what it makes of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from streams.errors import ChangelogError, TopicError
from streams.local_kafka.cluster import LocalKafka
from streams.releases.release import ChangelogPosition
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings
from streams.trainer import changelog_feed
from streams.trainer.changelog_feed import ChangelogFeed, Row
from streams.worker.partitions.changelog import ID_KEY, OFFSET_KEY
from tests.topics import create_topics

DEADLINE_S = 60.0


@pytest.fixture
async def settings(kafka: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(changelog_feed, "_CHECK_S", 0.1)
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=prefix))
    await create_topics(kafka.bootstrap_servers, {settings.changelog_topic: 2})
    return settings


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    yield admin
    await admin.close()


class Worker:
    """Writes rows in transactions, the reserved rows first."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.changelog_topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"{settings.kafka.group_id}-worker"
        )

    async def __aenter__(self) -> Worker:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def step(self, rows: Mapping[int, list[Row]], with_ids: bool = False, commit: bool = True) -> None:
        await self._producer.begin_transaction()
        for partition, part in rows.items():
            head: list[Row] = [(OFFSET_KEY, b"{}")]
            if with_ids:
                head.append((ID_KEY, b"id %d" % partition))
            for key, value in head + part:
                await self._producer.send(self._topic, value, key=key, partition=partition)
        await (self._producer.commit_transaction() if commit else self._producer.abort_transaction())


@asynccontextmanager
async def feeding(
    settings: Settings, position: ChangelogPosition | None = None, batch_bytes: int = 1 << 20
) -> AsyncIterator[ChangelogFeed]:
    feed = ChangelogFeed(settings, batch_bytes)
    try:
        await feed.start(position)
        yield feed
    finally:
        await feed.stop()


async def rows_until(feed: ChangelogFeed, done: Callable[[list[Row]], bool]) -> list[Row]:
    """The rows that come until it holds."""
    rows: list[Row] = []
    async with asyncio.timeout(DEADLINE_S):
        while not done(rows):
            rows += (await feed.fetch(50)).rows
    return rows


def of(number: int) -> list[Row]:
    return [(b"u%d" % number, b"row %d" % number), (b"v%d" % number, None)]


async def test_rows_come_once_and_in_order_from_any_position(settings: Settings) -> None:
    async with Worker(settings) as worker:
        await worker.step({0: of(0), 1: of(1)}, with_ids=True)
        await worker.step({0: of(2)}, commit=False)
        await worker.step({0: [*of(3), (b"\0other", b"x")], 1: of(4)})
    async with feeding(settings, batch_bytes=1) as feed:  # one record at a time
        rows, positions = list[Row](), list[tuple[int, ChangelogPosition]]()
        async with asyncio.timeout(DEADLINE_S):
            while feed.lag().records:
                batch = await feed.fetch(50)
                assert len(batch.rows) <= 1
                rows += batch.rows
                positions.append((len(rows), batch.position))
        assert [row for row in rows if row[0][1:] in (b"0", b"3", b"other")] == [*of(0), *of(3), (b"\0other", b"x")]
        assert [row for row in rows if row[0][1:] in (b"1", b"4")] == [*of(1), *of(4)]
        assert len(rows) == 9
        assert feed.position.ids == {0: b"id 0".hex(), 1: b"id 1".hex()}
        assert (feed.lag().age_s or 0) < DEADLINE_S
    for count, position in positions:
        async with feeding(settings, position) as feed:
            rest = await rows_until(feed, lambda _: not feed.lag().records)
            assert sorted(rest, key=lambda row: row[0]) == sorted(rows[count:], key=lambda row: row[0])
            assert feed.position == positions[-1][1]


async def test_what_is_written_later_comes_too_and_lag_counts_it(settings: Settings) -> None:
    async with Worker(settings) as worker, feeding(settings) as feed:
        assert feed.lag().age_s is None
        await worker.step({0: of(0)}, with_ids=True)
        assert await rows_until(feed, lambda rows: len(rows) == 2) == of(0)
        await worker.step({1: of(1)}, with_ids=True)
        assert await rows_until(feed, lambda rows: len(rows) == 2) == of(1)
    async with feeding(settings) as feed:
        assert feed.lag().records == 10  # two rows, two reserved ones and a marker in each


async def test_another_changelog_is_refused_with_what_to_do(settings: Settings) -> None:
    async with Worker(settings) as worker:
        await worker.step({0: of(0), 1: of(1)}, with_ids=True)
    for position, how in (
        (ChangelogPosition({0: 3, 1: 3}, {0: b"id 0".hex(), 1: b"another".hex()}), "its id is another one"),
        (ChangelogPosition({0: 99}, {}), "it ends at offset 5, the model has learnt up to 99"),
        (ChangelogPosition({2: 1}, {}), "it has fewer partitions"),
    ):
        with pytest.raises(ChangelogError, match=f"{how}.* delete the topic model-releases"):
            async with feeding(settings, position):
                raise AssertionError("started")


async def test_a_changelog_that_does_not_exist_is_named(settings: Settings, admin: AIOKafkaAdminClient) -> None:
    await admin.delete_topics([settings.changelog_topic])
    while settings.changelog_topic in await admin.list_topics():
        await asyncio.sleep(0.02)
    with pytest.raises(TopicError, match="does not exist; `interest-stream topics` creates"):
        async with feeding(settings):
            raise AssertionError("started")


async def test_a_changelog_that_is_created_again_while_it_is_read_ends_the_feed(
    settings: Settings, admin: AIOKafkaAdminClient
) -> None:
    async with Worker(settings) as worker:
        await worker.step({0: of(0)}, with_ids=True)
    async with feeding(settings) as feed:
        await rows_until(feed, lambda rows: len(rows) == 2)
        await admin.delete_topics([settings.changelog_topic])
        while settings.changelog_topic in await admin.list_topics():
            await asyncio.sleep(0.02)
        await create_topics(settings.kafka.bootstrap_servers, {settings.changelog_topic: 2})
        with pytest.raises(ChangelogError, match="model-releases"):
            await rows_until(feed, lambda _: False)


async def test_rows_that_are_removed_before_they_are_read_are_passed_with_a_line(
    settings: Settings, admin: AIOKafkaAdminClient, caplog: pytest.LogCaptureFixture
) -> None:
    tp = TopicPartition(settings.changelog_topic, 0)
    async with Worker(settings) as worker:
        await worker.step({0: of(0)}, with_ids=True)
        async with feeding(settings) as feed:
            await rows_until(feed, lambda rows: len(rows) == 2)
            position = feed.position
        for number in range(1, 4):
            await worker.step({0: of(number)})
        await admin.delete_records({tp: RecordsToDelete(before_offset=9)})
        # The id row is gone with the rest: a position that knows it is one of another changelog.
        with pytest.raises(ChangelogError, match="its id is another one"):
            async with feeding(settings, position):
                raise AssertionError("started")
        async with feeding(settings, ChangelogPosition(position.offsets)) as feed:
            assert await rows_until(feed, lambda rows: len(rows) == 4) == [*of(2), *of(3)]
    assert "partition 0: offsets 5 to 8 are gone, what they held is not learnt" in caplog.text


async def test_partitions_that_are_added_are_read(settings: Settings, admin: AIOKafkaAdminClient) -> None:
    async with feeding(settings) as feed:
        async with Worker(settings) as worker:
            await worker.step({0: of(0)}, with_ids=True)
        assert await rows_until(feed, lambda rows: len(rows) == 2) == of(0)
        await admin.create_partitions({settings.changelog_topic: NewPartitions(3)})
        while len((await admin.describe_topics([settings.changelog_topic]))[0]["partitions"]) < 3:
            await asyncio.sleep(0.02)
        async with Worker(settings) as worker:
            await worker.step({2: of(1), 0: of(2)})
        rows = await rows_until(feed, lambda rows: len(rows) == 4)
        assert sorted(rows) == sorted(of(1) + of(2))
        assert feed.position.offsets.keys() == {0, 1, 2}

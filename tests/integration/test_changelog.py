import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from state.store import PartitionStore
from state.table import UserTable
from streams.errors import ChangelogError
from streams.kafka.topic_specs import CHANGELOG_DELETE_RETENTION_MS
from streams.local_kafka.cluster import LocalKafka
from streams.settings.sections import KafkaSettings
from streams.worker.partitions.changelog import ID_KEY, OFFSET_KEY, Changelog, SourceOffset, is_outdated
from tests.topics import create_topics


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=prefix)


@pytest.fixture
async def admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
async def topic(settings: KafkaSettings, prefix: str) -> str:
    await create_topics(settings.bootstrap_servers, {f"{prefix}-changelog": 2})
    return f"{prefix}-changelog"


@pytest.fixture
async def changelog(settings: KafkaSettings, topic: str) -> AsyncIterator[Changelog]:
    changelog = Changelog(settings, topic)
    await changelog.start()
    yield changelog
    await changelog.stop()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[UserTable]:
    with UserTable(tmp_path) as table:
        yield table


class Predecessor:
    """A worker before us: writes rows in transactions, and may leave one open."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.name = f"{settings.group_id}-predecessor"
        self._topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers, transactional_id=self.name, transaction_timeout_ms=60_000
        )

    async def __aenter__(self) -> "Predecessor":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def write(
        self, rows: dict[bytes, bytes | None], next_offset: int, partition: int = 0, changelog_id: bytes | None = None
    ) -> None:
        """Open a transaction with these rows."""
        await self._producer.begin_transaction()
        head = {OFFSET_KEY: SourceOffset(next_offset, self.name, 1_000).encode()}
        if changelog_id is not None:
            head[ID_KEY] = changelog_id
        for key, value in (head | rows).items():
            await self._producer.send(self._topic, key=key, value=value, partition=partition)
        await self._producer.flush()

    async def commit(self) -> None:
        await self._producer.commit_transaction()


def rows(store: PartitionStore) -> dict[bytes, bytes]:
    return dict(store.rows())


async def no_writers(writers: set[str]) -> None:
    raise AssertionError(f"nothing was left open, yet {writers} are to be ended")


async def test_restore_applies_the_newest_committed_rows_and_the_next_offset(
    settings: KafkaSettings, topic: str, changelog: Changelog, table: UserTable
) -> None:
    async with Predecessor(settings, topic) as predecessor:
        await predecessor.write({b"a": b"1", b"b": b"1"}, 10, changelog_id=b"one")
        await predecessor.commit()
        await predecessor.write({b"a": b"2", b"b": None}, 20)
        await predecessor.commit()
    stores = {0: table.open(0), 1: table.open(1)}
    await changelog.wait_for_stable_offset([0, 1], no_writers)
    await changelog.restore(stores)
    assert rows(stores[0]) == {b"a": b"2"}
    assert SourceOffset.decode(stores[0].offset_row or b"").next_offset == 20
    assert (stores[0].changelog_id, stores[1].position, stores[1].offset_row) == (b"one", None, None)


async def test_restore_continues_at_the_stores_position(
    settings: KafkaSettings, topic: str, changelog: Changelog, table: UserTable
) -> None:
    store = table.open(0)
    async with Predecessor(settings, topic) as predecessor:
        await predecessor.write({b"a": b"1"}, 10, changelog_id=b"one")
        await predecessor.commit()
        await changelog.restore({0: store})
        position = store.position
        await predecessor.write({b"b": b"1"}, 20)
        await predecessor.commit()
    await changelog.restore({0: store})
    assert rows(store) == {b"a": b"1", b"b": b"1"}
    assert store.position is not None
    assert position is not None
    assert store.position > position


async def test_an_open_transaction_is_waited_for_and_then_ended_by_its_writers_id(
    settings: KafkaSettings, topic: str, changelog: Changelog, table: UserTable
) -> None:
    ended: list[set[str]] = []

    async def end(writers: set[str]) -> None:
        ended.append(writers)
        for writer in writers:
            producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, transactional_id=writer)
            await producer.start()
            await producer.stop()

    async with Predecessor(settings, topic) as predecessor:
        await predecessor.write({b"a": b"1"}, 10, changelog_id=b"one")
        await predecessor.commit()
        await predecessor.write({b"a": b"never"}, 20)
        await changelog.wait_for_stable_offset([0, 1], end)
        assert ended[0] == {predecessor.name}
    store = table.open(0)
    await changelog.restore({0: store})
    assert rows(store) == {b"a": b"1"}
    assert SourceOffset.decode(store.offset_row or b"").next_offset == 10


async def test_a_predecessor_that_finishes_in_time_is_left_alone(
    settings: KafkaSettings, topic: str, changelog: Changelog
) -> None:
    async with Predecessor(settings, topic) as predecessor:
        await predecessor.write({b"a": b"1"}, 10)
        waiting = asyncio.create_task(changelog.wait_for_stable_offset([0], no_writers))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await predecessor.commit()
        await waiting


async def test_a_recreated_changelog_is_noticed(
    settings: KafkaSettings, topic: str, changelog: Changelog, table: UserTable
) -> None:
    store = table.open(0)
    store.put_many([b"a"], [b"1"], 1, changelog_id=b"another", offset_row=SourceOffset(5, "w", 1).encode())
    async with Predecessor(settings, topic) as predecessor:
        await predecessor.write({b"a": b"1", b"b": b"1"}, 10, changelog_id=b"one")
        await predecessor.commit()
    with pytest.raises(ChangelogError, match="delete the worker's data folder"):
        await changelog.restore({0: store})


async def test_a_truncated_changelog_is_noticed(
    settings: KafkaSettings, topic: str, changelog: Changelog, table: UserTable, admin: AIOKafkaAdminClient
) -> None:
    async with Predecessor(settings, topic) as predecessor:
        for n in range(3):
            await predecessor.write({b"a": b"%d" % n}, 10 * n, changelog_id=b"one" if n == 0 else None)
            await predecessor.commit()
    behind, ahead = table.open(0), table.open(1)
    behind.put_many([], [], 2, changelog_id=b"one", offset_row=SourceOffset(0, "w", 1).encode())
    ahead.put_many([], [], 99, changelog_id=b"one", offset_row=SourceOffset(0, "w", 1).encode())
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=6)})
    with pytest.raises(ChangelogError, match="holds offsets 6 to"):
        await changelog.restore({0: behind})
    with pytest.raises(ChangelogError, match="were read up to 99"):
        await changelog.restore({1: ahead})


def test_a_store_older_than_the_tombstones_is_outdated(table: UserTable) -> None:
    store = table.open(0)
    assert not is_outdated(store)  # an empty one has nothing to be outdated
    now_ms = int(time.time() * 1000)
    store.put_many([], [], 1, offset_row=SourceOffset(0, "w", now_ms - CHANGELOG_DELETE_RETENTION_MS - 1000).encode())
    assert is_outdated(store)
    store.put_many([], [], 1, offset_row=SourceOffset(0, "w", now_ms - CHANGELOG_DELETE_RETENTION_MS + 60_000).encode())
    assert not is_outdated(store)

"""The topic of releases on a real broker: written by trainers, read by followers, spoilt by others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.errors import ReleaseError, TrainerFencedError
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.releases import follower
from streams.releases.chunks import split_part
from streams.releases.release import ChangelogPosition, Release
from streams.releases.release_topic import ReleaseTopic
from streams.settings.settings import Settings, load_settings
from tests.integration.training import release_readers, releases_settings
from tests.segments import HEADER_BYTES, overwrite, segment, stored_batches

POSITION = ChangelogPosition({0: 5, 1: 7}, {0: "aa"})
MANIFEST = b'{"version": 3}'


@pytest.fixture
async def settings(kafka: LocalKafka, prefix: str) -> Settings:
    settings = load_settings(None, releases_settings(kafka.bootstrap_servers, prefix))
    await ensure_topics(settings)
    return settings


@asynccontextmanager
async def trainer(settings: Settings) -> AsyncIterator[tuple[ReleaseTopic, Release | None]]:
    topic = ReleaseTopic(settings)
    try:
        yield topic, await topic.open()
    finally:
        await topic.stop()


async def write(topic: ReleaseTopic, parts: Mapping[str, bytes | None], full: bool = False) -> None:
    await topic.write(parts, MANIFEST, POSITION, full=full)


async def stray(settings: Settings, key: bytes, value: bytes, headers: list[tuple[str, bytes]] | None = None) -> None:
    """A record of somebody else."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(settings.topics.model_releases, value, key=key, headers=headers or [])


async def needs_all_parts(topic: ReleaseTopic, needed: bool) -> None:
    """Returns once it does, or once it does not."""
    async with asyncio.timeout(60):
        while await topic.needs_all_parts() != needed:
            await asyncio.sleep(0.02)


async def test_followers_have_each_release_and_newcomers_the_whole_model(settings: Settings) -> None:
    large, larger = bytes(range(256)) * 50, bytes(20_000)  # of several records
    async with trainer(settings) as (topic, before), release_readers(settings) as (reader,):
        assert before is None
        assert await topic.needs_all_parts()
        await write(topic, {"dense": large, "items/0": b"a", "gate": b"g"}, full=True)
        await reader.has({"dense": large, "items/0": b"a", "gate": b"g"})
        assert not await topic.needs_all_parts()
        written = await topic.write({"items/1": b"b"}, MANIFEST, POSITION, full=False)
        assert (written.number, written.records) == (2, 2)
        await write(topic, {"dense": larger, "gate": None})
        model = {"dense": larger, "items/0": b"a", "items/1": b"b"}
        await reader.has(model)
        assert reader.numbers == [1, 2, 3]
        async with release_readers(settings) as (newcomer,):
            assert (newcomer.model, newcomer.numbers) == (model, [3])
    async with trainer(settings) as (topic, release):
        assert release is not None
        assert (release.number, release.parts, release.manifest) == (3, model, MANIFEST)
        assert release.covered == POSITION
        await write(topic, {"items/1": b"c"})
        async with release_readers(settings) as (newcomer,):
            await newcomer.has({**model, "items/1": b"c"})  # its commit marker may come after the newcomer's start
            await write(topic, {"items/0": b"d"})
            async with asyncio.timeout(60), aclosing(newcomer.follower.follow()) as releases:
                release = await anext(releases)
    assert (release.number, release.parts, release.is_complete) == (5, {"items/0": b"d"}, False)


async def test_a_trainer_that_comes_later_fences_the_one_before(settings: Settings) -> None:
    async with trainer(settings) as (first, _):
        await write(first, {"gate": b"1"}, full=True)
        async with trainer(settings) as (second, release):
            assert release is not None
            with pytest.raises(TrainerFencedError, match=r"another trainer of the group .* has taken over"):
                await write(first, {"gate": b"late"})
            await write(second, {"gate": b"2"})
    async with release_readers(settings) as (reader,):
        assert reader.model == {"gate": b"2"}


async def test_records_of_others_are_named_and_the_next_release_is_whole(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with trainer(settings) as (topic, _), release_readers(settings) as (reader,):
        await write(topic, {"gate": b"1", "dense": b"d"}, full=True)
        await reader.has({"gate": b"1", "dense": b"d"})
        ((_, value, headers, _),) = split_part("gate", b"tampered", 100)[1]
        await stray(settings, b"gate#0", value or b"", list(headers))
        await write(topic, {"dense": b"e"})
        await reader.until(lambda: reader.follower.fault is not None)
        assert reader.model == {"gate": b"1", "dense": b"d"}
        assert "release 2 is not applied: gate: was written by somebody else than the trainer; release 1 stays" in (
            caplog.text
        )
        await needs_all_parts(topic, True)
        await write(topic, {"gate": b"1", "dense": b"f"}, full=True)
        await reader.has({"gate": b"1", "dense": b"f"})
        assert "release 3 is complete again" in caplog.text
        await needs_all_parts(topic, False)
        await stray(settings, b"no chunk", b"x")
        await reader.until(lambda: "a record that no trainer writes; release 3 stays" in caplog.text)


async def test_a_damaged_batch_is_named_and_the_model_before_it_stays(
    settings: Settings, kafka: LocalKafka, caplog: pytest.LogCaptureFixture
) -> None:
    async with trainer(settings) as (topic, _):
        await write(topic, {"gate": b"1", "dense": b"d"}, full=True)
        await write(topic, {"dense": bytes(3000)})
    file = segment(kafka, settings.topics.model_releases)
    torn = next(batch for batch in stored_batches(file) if batch.size > 3000)
    overwrite(file, torn.position + HEADER_BYTES + 200, b"torn")
    async with release_readers(settings) as (reader,):
        assert reader.model == {"gate": b"1", "dense": b"d"}
        assert "is not applied: " in caplog.text
    async with trainer(settings) as (topic, release):
        assert release is not None
        assert release.number == 1
        assert await topic.needs_all_parts()
        await write(topic, {"gate": b"2", "dense": b"e"}, full=True)
    async with release_readers(settings) as (reader,):
        assert reader.model == {"gate": b"2", "dense": b"e"}


async def test_a_topic_without_a_complete_model_ends_the_trainer_with_what_to_do(settings: Settings) -> None:
    ((_, value, headers, _),) = split_part("gate", b"alone", 100)[1]
    await stray(settings, b"gate#0", value or b"", list(headers))
    with pytest.raises(ReleaseError, match=r"holds no complete model .* delete it"):
        async with trainer(settings):
            raise AssertionError("opened")


async def test_the_releases_of_another_group_end_the_trainer_with_what_to_do(
    settings: Settings, kafka: LocalKafka, prefix: str
) -> None:
    async with trainer(settings) as (topic, _):
        await write(topic, {"gate": b"1"}, full=True)
    shared = f"topics.model_releases={settings.topics.model_releases}"
    other = load_settings(None, releases_settings(kafka.bootstrap_servers, f"{prefix}-b", shared))
    with pytest.raises(ReleaseError, match=r"a topic of its own, --set topics\.model_releases=NAME"):
        async with trainer(other):
            raise AssertionError("opened")


async def test_a_follower_that_has_passed_a_record_reads_the_topic_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with trainer(settings) as (topic, _), release_readers(settings, 2) as (passing, other):
        await write(topic, {"gate": b"1", "dense": b"d", "old": b"o"}, full=True)
        await passing.has({"gate": b"1", "dense": b"d", "old": b"o"})
        await write(topic, {"gate": b"2", "old": None})
        await other.has({"gate": b"2", "dense": b"d"})  # the marker is written
        consumer = passing.follower._follower._consumer
        (tp,) = consumer.assignment()
        consumer.seek(tp, (await consumer.end_offsets([tp]))[tp] - 2)  # where the manifest lies, before its marker
        await passing.until(lambda: passing.follower.fault is not None)
        assert "release 2 is not applied: gate: it is not what the manifest lists; release 1 stays" in caplog.text
        monkeypatch.setattr(follower, "_AGAIN_S", 0.0)
        await passing.has({"gate": b"2", "dense": b"d"})
        assert passing.follower.fault is None
        # Where the topic itself is at fault, reading it again brings nothing older back.
        await stray(settings, b"no chunk", b"x")
        await passing.until(lambda: passing.follower.fault is not None)
        for _ in range(3):
            assert await passing.follower.drain(20) == []
        await write(topic, {"gate": b"3"})
        await passing.has({"gate": b"3", "dense": b"d"})
        assert passing.numbers == [1, 2, 3]


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    yield admin
    await admin.close()


@pytest.mark.parametrize("releases", [1, 30])
async def test_a_topic_that_is_deleted_gets_the_whole_model_again(
    settings: Settings, admin: AIOKafkaAdminClient, releases: int, caplog: pytest.LogCaptureFixture
) -> None:
    name = settings.topics.model_releases
    async with trainer(settings) as (topic, _), release_readers(settings, 2) as readers:
        await write(topic, {"gate": b"1", "old": b"o"}, full=True)
        for reader in readers:
            await reader.has({"gate": b"1", "old": b"o"})
        await admin.delete_topics([name])
        await needs_all_parts(topic, True)
        assert f"{name} was deleted and created again" in caplog.text
        await write(topic, {"gate": b"2", "dense": b"d"}, full=True)
        for number in range(releases):  # past where the readers were in the topic before
            await write(topic, {"count": b"%d" % number})
        model = {"gate": b"2", "dense": b"d", "count": b"%d" % (releases - 1)}
        for reader in readers:
            await reader.has(model)
        await needs_all_parts(topic, False)
        async with release_readers(settings) as (newcomer,):
            assert newcomer.model == model

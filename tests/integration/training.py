"""Trainers of a stub model, the changelog that they learn from, and what the releases must hold: a fold of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.kafka.reader import partition_of, read_topic, reading
from streams.kafka.topics import ensure_topics
from streams.releases.follower import ReleaseFollower
from streams.releases.release import ChangelogPosition, Release
from streams.settings.settings import Settings, load_settings
from streams.trainer.changelog_feed import Row
from streams.trainer.model import Counted, ModelRelease
from tests.integration.worker import DEADLINE_S, Fault, ForkedProcess

TOPICS = ("user_events", "interest_predictions", "user_events_dlq", "item_index", "item_catalog", "interest_quality")


def releases_settings(servers: str, group_id: str, *overrides: str) -> list[str]:
    """Overrides of a group with topics of its own, whose records are small."""
    return [
        f"kafka.bootstrap_servers={servers}",
        f"kafka.group_id={group_id}",
        "kafka.max_record_bytes=4096",
        "kafka.compression=none",
        "kafka.session_timeout_s=3",
        "topics.partitions=3",
        "trainer.release_interval_s=0.1",
        *(f"topics.{name}={group_id}-{name}" for name in (*TOPICS, "model_releases")),
        *overrides,
    ]


class CountingModel:
    """Counts the items of all rows in blocks of ten, and the rows, in a part of several records."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._rows: Counter[str] = Counter()
        self._touched: set[int] = set()

    async def start(self, release: Release | None) -> None:
        if release is None:
            return
        parts = release.parts
        self._rows = Counter(orjson.loads(parts["rows"].rstrip(b".")))
        assert orjson.loads(release.manifest) == {"rows": sum(self._rows.values())}
        for key, part in parts.items():
            if key.startswith("counts/"):
                self._counts.update({int(item): count for item, count in orjson.loads(part).items()})

    async def observe(self, rows: Sequence[Row]) -> Counted:
        events = 0
        for _, value in rows:
            self._rows["deleted" if value is None else "written"] += 1
            items = [] if value is None else orjson.loads(value)
            self._counts.update(items)
            self._touched |= {item // 10 for item in items}
            events += len(items)
        return Counted(events, 0)

    async def train_step(self, partial: bool) -> None:
        return None

    async def release(self, full: bool) -> ModelRelease:
        blocks = {item // 10 for item in self._counts} if full else self._touched
        self._touched = set()
        parts: dict[str, bytes | None] = {f"counts/{block}": self._block(block) for block in blocks}
        parts["rows"] = orjson.dumps(self._rows, option=orjson.OPT_SORT_KEYS).ljust(10_000, b".")
        return ModelRelease(parts, orjson.dumps({"rows": sum(self._rows.values())}))

    async def look(self) -> bool:
        return False

    async def save(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _block(self, block: int) -> bytes:
        return orjson.dumps({str(item): self._counts[item] for item in range(10 * block, 10 * block + 10)})


class ReleaseReader:
    """A follower, and the model that it has."""

    def __init__(self, settings: Settings) -> None:
        self.follower = ReleaseFollower(settings.kafka, settings.topics.model_releases)
        self.model: dict[str, bytes] = {}
        self.numbers: list[int] = []
        self.covered = ChangelogPosition()

    async def start(self) -> None:
        if (release := await self.follower.start()) is not None:
            self._apply(release)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Applies releases until it holds."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                for release in await self.follower.drain(20):
                    self._apply(release)

    async def has(self, model: Mapping[str, bytes]) -> None:
        await self.until(lambda: self.model == model)

    def _apply(self, release: Release) -> None:
        kept = {} if release.is_complete else {k: v for k, v in self.model.items() if k not in release.removed}
        self.model = {**kept, **release.parts}
        self.numbers.append(release.number)
        self.covered = release.covered


@asynccontextmanager
async def release_readers(settings: Settings, count: int = 1) -> AsyncIterator[list[ReleaseReader]]:
    async with AsyncExitStack() as stack:
        readers = [ReleaseReader(settings) for _ in range(count)]
        for reader in readers:
            stack.push_async_callback(reader.follower.stop)
            await reader.start()
        yield readers


class Trainer(ForkedProcess):
    """One trainer process."""

    def __init__(self, overrides: Sequence[str], log: Path, fault: Fault | None = None) -> None:
        super().__init__(log, fault, _train, list(overrides))


def _train(overrides: Sequence[str]) -> None:
    from streams.cli.logging_setup import configure_logging
    from streams.trainer.metrics import TrainerMetrics
    from streams.trainer.trainer_loop import run_trainer
    from streams.worker.process.lifecycle import exit_process, exit_with_error, stop_event

    async def make_model() -> CountingModel:
        return CountingModel()

    async def run() -> None:
        settings = load_settings(None, overrides)
        await run_trainer(settings, make_model, stop_event(), TrainerMetrics(settings))

    configure_logging()
    try:
        asyncio.run(run())
    except Exception as error:
        exit_with_error(error)
    exit_process(0)


class TrainingSite:
    """A group's changelog, which the test writes, and its trainers."""

    def __init__(self, servers: str, prefix: str, folder: Path) -> None:
        self._overrides = releases_settings(servers, prefix)
        self.settings = load_settings(None, self._overrides)
        self.trainers: list[Trainer] = []
        self._folder = folder
        self._steps = 0

    async def create(self) -> TrainingSite:
        await ensure_topics(self.settings)
        return self

    def trainer(self, fault: Fault | None = None) -> Trainer:
        """It is started, and killed with the site."""
        log = self._folder / f"trainer-{len(self.trainers)}.log"
        self.trainers.append(Trainer(self._overrides, log, fault))
        return self.trainers[-1]

    async def write_steps(self, count: int, pause_s: float = 0.0) -> None:
        """Steps of a worker: transactions with rows of some users, and reserved keys as workers write them."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka.bootstrap_servers,
            transactional_id=f"{self.settings.kafka.group_id}-a-worker",
        )
        async with producer:
            for _ in range(count):
                async with producer.transaction():
                    for tp, key, value in self._step():
                        await producer.send(tp.topic, value, key=key, partition=tp.partition)
                self._steps += 1
                await asyncio.sleep(pause_s)

    def _step(self) -> list[tuple[TopicPartition, bytes, bytes | None]]:
        step, topic = self._steps, self.settings.changelog_topic
        records: list[tuple[TopicPartition, bytes, bytes | None]] = []
        for partition in range(3):
            tp = TopicPartition(topic, partition)
            records.append((tp, b"\0source-offset", b"%d" % step))
            if step == 0:
                records.append((tp, b"\0changelog-id", b"id %d" % partition))
        for number in range(7 * step, 7 * step + 7):
            user = b"u%d" % (number * 13 % 50)
            value = None if number % 17 == 0 else orjson.dumps([number * 7 % 60, number % 60])
            records.append((TopicPartition(topic, partition_of(user, 3)), user, value))
        return records

    async def expected(self) -> dict[str, bytes | None]:
        """The model of a reference fold of the changelog."""
        model = CountingModel()
        records = [record async for record in read_topic(self.settings.kafka, self.settings.changelog_topic)]
        await model.observe([(r.key, r.value) for r in records if r.key is not None and not r.key.startswith(b"\0")])
        return dict((await model.release(full=True)).parts)

    async def ends(self) -> dict[int, int]:
        """The last stable offsets of the changelog."""
        async with reading(self.settings.kafka, [self.settings.changelog_topic]) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
        return {tp.partition: end for tp, end in ends.items()}

    async def check(self) -> None:
        """The releases come to cover the whole changelog, and are then the fold of it, exactly."""
        ends = await self.ends()
        async with release_readers(self.settings) as (reader,):
            await reader.until(lambda: all(reader.covered.offsets.get(p, 0) >= end for p, end in ends.items()))
            assert reader.model == await self.expected()
            assert reader.covered.ids == {partition: (b"id %d" % partition).hex() for partition in range(3)}

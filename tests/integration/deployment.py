"""One test's topics, input and workers on a broker, and the oracle: what the rows and predictions must be.

Expected are the rows of a fold of the input, exact in count, last offset and chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from state.store import read_rows
from state.table import partition_folder
from streams.kafka.reader import partition_of, read_topic, reading
from streams.kafka.topics import ensure_topics
from streams.reference_fold import Comparison, InputFold, UserFold, compare, fold_changelog, fold_input, fold_rows
from streams.registry.connection import connect_registry
from streams.registry.prediction_reader import PredictionReader
from streams.releases.follower import ReleaseFollower
from streams.releases.release import Release
from streams.schema.decoder import SchemaRules
from streams.settings.settings import Settings, load_settings
from tests.inputs import Input, event
from tests.integration.worker import DEADLINE_S, Fault, TrainerOfWorkers, Worker
from tests.oracle import iterate, newest_values, prediction_problems
from tests.topics import TOPIC_SETTINGS

_SMALL = (
    "model.embedding_dim=16",
    "model.hidden_size=16",
    "model.history_length=8",
    "model.device=cpu",
    "worker.cache_mb=8",
    "trainer.mode=external",  # nothing is learnt where nothing asks for it: torch takes seconds to start
    "trainer.learning_share=0.2",
    "predictions.per=event",
)


def round_robin_event(number: int, users: int = 97, items: int = 53) -> Input:
    """The n-th event of a stream in which users take turns."""
    return event(f"u{number % users}", number, f"i{number * 7 % items}")


class WorkersEndedError(AssertionError):
    """No worker runs any more, and not all that was sent is taken into account."""


class Deployment:
    """Topics, a consumer group and its workers, all named by one prefix."""

    def __init__(self, servers: str, prefix: str, folder: Path, overrides: Sequence[str] = ()) -> None:
        self.servers = servers
        self.folder = folder
        self.workers: list[Worker] = []
        self.trainers: list[TrainerOfWorkers] = []
        self._overrides = [
            *_SMALL,
            f"kafka.bootstrap_servers={servers}",
            f"kafka.group_id={prefix}",
            "kafka.session_timeout_s=3",
            "topics.partitions=3",
            f"trainer.trained_dir={folder / 'trained'}",
            f"trainer.checkpoint_url={folder / 'checkpoints'}",
            *(f"topics.{name}={prefix}-{name}" for name in TOPIC_SETTINGS),
            *overrides,
        ]
        self.settings: Settings = load_settings(None, self._overrides)
        self._next_offset: dict[TopicPartition, int] = {}

    async def create(self) -> Deployment:
        """All topics exist."""
        await ensure_topics(self.settings)
        return self

    def worker(
        self,
        name: str = "a",
        fault: Fault | None = None,
        engine: Callable[[], object] | None = None,
        overrides: Sequence[str] = (),
    ) -> Worker:
        """A worker with the data folder of this name; it is started, and killed with the deployment."""
        log = self.folder / f"worker-{len(self.workers)}-{name}.log"
        self.workers.append(Worker([*self.overrides(name), *overrides], log, fault, engine))
        return self.workers[-1]

    def trainer(self, fault: Fault | None = None) -> TrainerOfWorkers:
        """A trainer for the workers; it is started, and killed with the deployment."""
        log = self.folder / f"trainer-{len(self.trainers)}.log"
        self.trainers.append(TrainerOfWorkers(self._overrides, log, fault))
        return self.trainers[-1]

    def overrides(self, name: str) -> list[str]:
        """The settings of that worker, as for --set."""
        return [*self._overrides, f"worker.data_dir={self.data_dir(name)}"]

    def data_dir(self, name: str = "a") -> Path:
        return self.folder / f"data-{name}"

    @asynccontextmanager
    async def producer(self, **options: Any) -> AsyncIterator[Any]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.servers,
            linger_ms=5,
            max_batch_size=min(1 << 18, self.settings.kafka.max_record_bytes),  # a larger one holds one record
            max_request_size=1 << 22,
            **options,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def send(self, records: Iterable[Input]) -> None:
        """The records are acknowledged, each in the partition of its key."""
        async with self.producer(enable_idempotence=True) as producer:
            await self.send_by(producer, records)

    async def send_by(self, producer: Any, records: Iterable[Input]) -> None:
        """The same by a producer of the test's own."""
        topic, partitions = self.settings.topics.user_events, self.settings.topics.partitions
        sent = [
            await producer.send(topic, value, key=key, partition=partition_of(key or b"", partitions))
            for key, value in records
        ]
        for future in sent:
            metadata = await future
            tp = TopicPartition(topic, metadata.partition)
            self._next_offset[tp] = max(self._next_offset.get(tp, 0), metadata.offset + 1)

    async def sent_by_others(self) -> None:
        """What lies in the topic now counts as sent, whoever did it; not in transactions, whose markers count too."""
        topic = self.settings.topics.user_events
        async with reading(self.settings.kafka, [topic], isolation="read_uncommitted") as consumer:
            self._next_offset = await consumer.end_offsets(consumer.assignment())

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def progress(self) -> dict[TopicPartition, int]:
        """The source offsets that the group has committed."""
        async with self.admin() as admin:
            return await self._progress(admin)

    async def _progress(self, admin: Any) -> dict[TopicPartition, int]:
        try:
            committed = await admin.list_consumer_group_offsets(self.settings.kafka.group_id)
        except GroupCoordinatorNotAvailableError:  # a broker that has had no group before
            return {}
        return {tp: metadata.offset for tp, metadata in committed.items()}

    async def applied(self, records: int | None = None, deadline_s: float = DEADLINE_S) -> None:
        """So many of the records sent, or all, are taken into account."""
        end = time.monotonic() + deadline_s
        async with self.admin() as admin:  # one for all: connecting takes longer than asking
            while True:
                progress = await self._progress(admin)
                if records is None and all(progress.get(tp, 0) >= end for tp, end in self._next_offset.items()):
                    return
                if records is not None and sum(progress.values()) >= records:
                    return
                ended = self.workers and all(worker.exit_code is not None for worker in self.workers)
                if ended or time.monotonic() > end:
                    logs = "\n".join(worker.text()[-3000:] for worker in self.workers)
                    message = f"progress {progress}, sent {self._next_offset}\n{logs}"
                    raise WorkersEndedError(message) if ended else AssertionError(message)
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """A thousand events a second for as long as the block takes."""
        stop = asyncio.Event()

        async def feed() -> None:
            async with self.producer(enable_idempotence=True) as producer:
                for begin in count(0, 50):
                    if stop.is_set():
                        return
                    await self.send_by(producer, (round_robin_event(n) for n in range(begin, begin + 50)))
                    await asyncio.sleep(0.05)

        feeding = asyncio.create_task(feed())
        try:
            yield
        finally:
            stop.set()
            await feeding

    async def released(self, deadline_s: float = DEADLINE_S) -> Release:
        """The model once a release covers all rows that are committed now."""
        settings = self.settings
        async with reading(settings.kafka, [settings.changelog_topic]) as consumer:
            ends = {tp.partition: end for tp, end in (await consumer.end_offsets(consumer.assignment())).items()}
        follower = ReleaseFollower(settings.kafka, settings.topics.model_releases)
        try:
            async with asyncio.timeout(deadline_s):
                release = await follower.start()
                while release is None or any(release.covered.offsets.get(p, 0) < end for p, end in ends.items()):
                    for newer in await follower.drain(50):
                        release = newer if release is None else release.followed_by(newer)
            return release
        finally:
            await follower.stop()

    async def more(self, records: int = 500) -> None:
        """So many more records are taken into account."""
        await self.applied(sum((await self.progress()).values()) + records)

    async def finish(self, worker: Worker) -> None:
        """All that was sent is taken into account, and the worker has stopped."""
        await worker.owns()
        await self.applied()
        await worker.stop()

    async def expected(self) -> InputFold:
        rules = SchemaRules.of(self.settings.events, await connect_registry(self.settings.registry))
        return await fold_input(
            self.settings.kafka, self.settings.topics.user_events, self.settings.kafka.max_record_bytes, rules
        )

    async def compare(self) -> Comparison:
        """How the changelog's rows differ from those of the input."""
        actual = await fold_changelog(self.settings.kafka, self.settings.changelog_topic)
        return compare((await self.expected()).users, actual)

    async def check(self, stopped: Sequence[str] = ()) -> dict[str, UserFold]:
        """The rows, after they were found exact, with the predictions and, of these stopped workers, RocksDB."""
        expected = await self.expected()
        records = [record async for record in self.read(self.settings.changelog_topic)]
        rows = await fold_rows(iterate(records))
        comparison = compare(expected.users, rows)
        assert comparison.exact, str(comparison)
        if problems := await self.prediction_problems(expected):
            raise AssertionError("\n".join(problems[:10]))
        if stopped:
            stored = dict(row for name in stopped for row in self._stored(name))
            assert stored == newest_values(records)
        return rows

    def _stored(self, name: str) -> Iterable[tuple[bytes, bytes]]:
        for partition in range(self.settings.topics.partitions):
            yield from read_rows(partition_folder(self.data_dir(name) / "users", partition))

    async def prediction_problems(self, expected: InputFold) -> list[str]:
        """What is wrong with the committed predictions; there must be one per accepted event."""
        reader = PredictionReader(self.settings.registry)
        return await prediction_problems(self.read(self.settings.topics.interest_predictions), expected, reader)

    def read(self, topic: str) -> AsyncIterator[Any]:
        """The committed records of a topic, those of transactions open now included once they end."""
        return read_topic(self.settings.kafka, topic, settled=True)


Deploy = Callable[..., Awaitable[Deployment]]
"""Makes a deployment on the shared broker: `await deploy("section.key=value", …)`."""

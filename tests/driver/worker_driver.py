"""Runs real workers without Kafka, one micro-batch at a time, as Kafka Streams' TopologyTestDriver runs a topology.

Everything is the product's own but for the edge to the broker: aiokafka's clients and Faust are replaced by stand-ins
on an InMemoryBroker. tests/integration/test_driver.py holds the stand-ins to what a real Kafka does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition
from prometheus_client import CollectorRegistry

from streams.kafka.reader import partition_of
from streams.kafka.topic_specs import topic_specs
from streams.kafka.transaction import ProducerRecord
from streams.reference_fold import Comparison, InputFold, UserFold, compare, fold_records, fold_rows
from streams.schema.decoder import SchemaRules
from streams.settings.settings import Settings, load_settings
from streams.worker.app import Worker
from streams.worker.pipeline import Engine
from tests.driver.admin import InMemoryTopicMetadata, in_memory_group, in_memory_metadata
from tests.driver.broker import InMemoryBroker
from tests.driver.clients import CallFaults, InMemoryConsumer, InMemoryProducer, InMemoryTransactionalProducer
from tests.driver.driven_trainer import DrivenTrainer
from tests.driver.driven_worker import DrivenWorker
from tests.driver.engines import RowCopy
from tests.driver.source import InMemorySource
from tests.inputs import Input
from tests.oracle import iterate, newest_values, prediction_problems

_SMALL = (
    "model.embedding_dim=16",
    "model.hidden_size=16",
    "model.history_length=8",
    "model.device=cpu",
    "worker.cache_mb=8",
    "trainer.mode=external",
    "predictions.per=event",
    "topics.partitions=2",
)
_ROW_COPY = RowCopy()


async def _topics_exist(*_: object) -> None:
    """In place of `ensure_topics`."""


class WorkerDriver:
    """A broker in memory with the worker's topics, and the workers on it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, overrides: Sequence[str] = ()) -> None:
        self.settings: Settings = load_settings(None, [*_SMALL, *overrides])
        self.topics = self.settings.topics
        self.broker = InMemoryBroker({spec.name: spec.partitions for spec in topic_specs(self.settings)})
        self.faults = CallFaults()
        self._folder = folder
        self._overrides = overrides
        self._errors: asyncio.Queue[BaseException] = asyncio.Queue()
        self._workers: list[DrivenWorker] = []
        self._trainer: DrivenTrainer | None = None
        consumer, producer = partial(InMemoryConsumer, self.broker), partial(InMemoryProducer, self.broker)
        for target, stand_in in {
            "streams.worker.partitions.changelog.AIOKafkaConsumer": consumer,
            "streams.worker.churn.churn_log.AIOKafkaConsumer": consumer,
            "streams.worker.partitions.offset_gaps.isolating_consumer": consumer,
            "streams.kafka.follower.isolating_consumer": consumer,
            "streams.trainer.changelog_feed.isolating_consumer": consumer,
            "streams.trainer.changelog_feed.TopicMetadataClient": partial(InMemoryTopicMetadata, self.broker),
            "streams.releases.release_topic.TopicMetadataClient": partial(InMemoryTopicMetadata, self.broker),
            "streams.releases.release_topic.ensure_topics": _topics_exist,
            "streams.worker.items.item_index.AIOKafkaProducer": producer,
            "streams.kafka.transaction.AIOKafkaProducer": producer,
            "streams.kafka.transaction.FencedProducer": partial(
                InMemoryTransactionalProducer, self.broker, self.faults
            ),
            "streams.worker.app.SourceConsumer": partial(InMemorySource, self.broker),
            "streams.worker.partitions.source_topic.topic_metadata": partial(in_memory_metadata, self.broker),
            "streams.worker.partitions.source_topic.group_admin": partial(in_memory_group, self.broker),
            "streams.worker.partitions.topic_watch.TopicMetadataClient": partial(InMemoryTopicMetadata, self.broker),
            "streams.worker.app.exit_with_error": self._errors.put_nowait,
            "streams.worker.app._reduce_garbage_collection": lambda: None,
            # What waits for a busy broker need not wait here.
            "streams.worker.step_loop._MAX_PAUSE_S": 0,
            "streams.worker.partitions.changelog._PATIENCE_S": 0,
            "streams.worker.partitions.changelog._POLL_S": 0,
            "streams.worker.partitions.source_topic._SETTLE_S": 0,
        }.items():
            monkeypatch.setattr(target, stand_in)

    async def train(self) -> DrivenTrainer:
        """A trainer in its term, from the newest release on; it replaces the one before."""
        if self._trainer is not None:
            await self._trainer.close()
        self._trainer = await DrivenTrainer.begin(self.worker_settings("trainer"))
        return self._trainer

    def worker_settings(self, name: str = "a") -> Settings:
        """Of the worker with the data folder of this name."""
        folder = self._folder
        folders = [f"worker.data_dir={self.data_dir(name)}", f"trainer.checkpoint_url={folder / 'checkpoints'}"]
        return load_settings(None, [*_SMALL, f"trainer.trained_dir={folder / 'trained'}", *folders, *self._overrides])

    async def start(self, name: str = "a", engine: Engine | None = _ROW_COPY) -> DrivenWorker:
        """A worker with the data folder of this name and all partitions; None: with network and learner."""
        settings = self.worker_settings(name)
        stack = AsyncExitStack()
        registry = CollectorRegistry()
        worker = Worker(settings, engine, registry=registry)
        await worker.start(stack)
        self._workers.append(DrivenWorker(worker, stack, self._errors, registry))
        return self._workers[-1]

    async def close(self) -> None:
        """Kills the workers that a test has left."""
        for worker in self._workers:
            await worker.kill()
        if self._trainer is not None:
            await self._trainer.close()

    def data_dir(self, name: str = "a") -> Path:
        """The data folder of the worker with this name."""
        return self._folder / f"data-{name}"

    def send(self, records: Iterable[Input], transactional_id: str | None = None) -> None:
        """Appends input records, each in the partition of its key."""
        for key, value in records:
            partition = partition_of(key or b"", self.topics.partitions)
            tp = TopicPartition(self.topics.user_events, partition)
            # The time of arrival; any will do, but dead letters repeat it.
            record = ProducerRecord(key, value, timestamp_ms=1_731_900_000_000)
            self.broker.append(tp, [record], transactional_id)

    def register(self, item_ids: Iterable[bytes], value: bytes = b"") -> None:
        """Appends records to the item index, as another worker does; an earlier version's are empty."""
        records = [ProducerRecord(item_id, value, timestamp_ms=1_731_900_000_000) for item_id in item_ids]
        self.broker.append(TopicPartition(self.topics.item_index, 0), records)

    def committed(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """The committed records of a topic."""
        return self.broker.committed(topic)

    def expected(self) -> InputFold:
        """What the committed input leads to."""
        records, max_bytes = self.committed(self.topics.user_events), self.settings.kafka.max_record_bytes
        return fold_records(records, max_bytes, SchemaRules.of(self.settings.events))

    async def rows(self) -> dict[str, UserFold]:
        """The rows in the committed changelog."""
        return await fold_rows(iterate(self.committed(self.settings.changelog_topic)))

    async def compare(self) -> Comparison:
        """How the changelog's rows differ from those of the input."""
        return compare(self.expected().users, await self.rows())

    async def prediction_problems(self) -> list[str]:
        """What is wrong with the committed predictions."""
        return await prediction_problems(iterate(self.committed(self.topics.interest_predictions)), self.expected())

    async def check(self, worker: DrivenWorker | None = None) -> dict[str, UserFold]:
        """The rows, after they were found exact, with predictions, group offsets and, of this worker, RocksDB."""
        comparison = await self.compare()
        assert comparison.exact, str(comparison)
        problems = await self.prediction_problems()
        assert not problems, "\n".join(problems[:10])
        if worker is not None:
            stored = dict(row for state in worker.partitions.values() for row in state.store.rows())
            assert stored == newest_values(self.committed(self.settings.changelog_topic))
            for partition, state in worker.partitions.items():
                tp = TopicPartition(self.topics.user_events, partition)
                assert self.broker.group.offsets.get(tp, 0) == state.next_offset
        return await self.rows()

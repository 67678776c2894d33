"""Runs real workers without Kafka, one micro-batch at a time, as Kafka Streams' TopologyTestDriver runs a topology.

Everything is the product's own but for the edge to the broker: aiokafka's clients and Faust are replaced by stand-ins
on an InMemoryBroker. tests/integration/test_driver.py holds the stand-ins to what a real Kafka does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition
from torch import Tensor

from models.inference.engine import Engine as InferenceEngine
from models.items.vocabulary import ItemContentLike
from models.network.interest_network import ITEM_TABLES
from streams.kafka.faust_transport import RecordBatch
from streams.kafka.reader import partition_of
from streams.kafka.topics import topic_specs
from streams.kafka.transaction import ProducerRecord
from streams.reference_fold import Comparison, InputFold, UserFold, compare, fold_records, fold_rows
from streams.schema.decoder import SchemaRules
from streams.settings.settings import Settings, load_settings
from streams.worker.app import Worker
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.pipeline import Engine
from tests.driver.admin import InMemoryTopicMetadata, in_memory_group, in_memory_metadata
from tests.driver.broker import InMemoryBroker
from tests.driver.clients import CallFaults, InMemoryConsumer, InMemoryProducer, InMemoryTransactionalProducer
from tests.driver.driven_trainer import DrivenTrainer
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
_DEADLINE_S = 10.0
_MAX_STEPS = 1000


class DrivenWorker:
    """A worker whose micro-batches the test asks for."""

    def __init__(self, worker: Worker, stack: AsyncExitStack, errors: asyncio.Queue[BaseException]) -> None:
        self.source = cast(InMemorySource, worker._consumer)
        self._worker = worker
        self._stack = stack
        self._errors = errors
        self._ended = False

    @property
    def partitions(self) -> dict[int, PartitionState]:
        """The open partitions."""
        return self._worker._partitions._states

    @property
    def transactional_id(self) -> str:
        """Of its producer."""
        return self._worker._writer.transactional_id

    async def wait_open(self) -> None:
        """Returns once the assigned partitions are open; raises the error that ends the process."""
        await self._run(self._keep_open())

    async def _keep_open(self) -> None:
        async with self._worker._partitions.keep_open():
            pass

    async def process(self, batches: list[RecordBatch]) -> None:
        """One micro-batch of these fetches; raises the error that ends the process."""
        await self._run(self._worker._step_loop.process(batches))

    async def step(self) -> bool:
        """One micro-batch of what a fetch returns; False if that is nothing."""
        await self.wait_open()
        batches = self.source.fetch()
        if batches:
            await self.process(batches)
        return bool(batches)

    async def apply_all(self) -> None:
        """Steps until a fetch returns nothing, and whatever failed before has been repeated."""
        for _ in range(_MAX_STEPS):
            if not await self.step() and not await self._is_reopening():
                return
        raise AssertionError("there is no end of records")

    async def _is_reopening(self) -> bool:
        if self._worker._partitions._opened.is_set():
            return False
        await self.wait_open()
        return True

    @property
    def engine(self) -> InferenceEngine:
        """Of a worker that follows a model."""
        assert self._worker._model is not None
        return self._worker._model.engine

    def item_ids(self) -> list[str]:
        """The items by index; none at 0."""
        items = self._worker._items.vocabulary
        return ["", *items.ids(len(items))]

    def item_content(self) -> ItemContentLike:
        """Texts and features of the items."""
        assert self._worker._items.vocabulary.content is not None
        return self._worker._items.vocabulary.content

    def weights(self) -> dict[str, Tensor]:
        """Of a worker that follows a model: those that items share."""
        network = self.engine._model.network
        return {name: tensor.detach() for name, tensor in network.named_parameters() if name not in ITEM_TABLES}

    async def follow(self, number: int) -> None:
        """The worker goes on with the release of this number, and with all before it."""
        model = self._worker._model
        assert model is not None
        async with asyncio.timeout(_DEADLINE_S):
            while model._new is None or model._new.number < number:
                await asyncio.sleep(0)
        await model.apply_new()

    async def skip_markers(self) -> None:
        """What a worker without events does after some seconds."""
        await self._run(self._worker._step_loop.skip_markers())

    def take_counts(self) -> Counter[str]:
        """What was counted since the last call."""
        return self._worker.pipeline.take_counts()[0]

    def take_expired(self) -> int:
        """Records that expired unread since the last call."""
        return self._worker._offset_gaps.take_expired()

    def report(self) -> None:
        """Logs what a worker logs every few seconds."""
        self._worker.report()

    async def watch_topics(self) -> None:
        """What the watch over the topics does every few seconds; raises the error that ends the process."""
        await self._worker._topic_watch.check()

    async def revoke(self) -> None:
        """The group revokes every partition."""
        await self._worker._partitions.on_revoked()

    async def stop(self) -> None:
        """Stops in order, as after SIGTERM."""
        self._ended = True
        await self._stack.aclose()

    async def kill(self) -> None:
        """Ends as by SIGKILL: no transaction is ended, the group is not left. One that has ended stays so."""
        if self._ended:
            return
        self._ended = True
        if (opening := self._worker._partitions._opening) is not None:
            opening.cancel()
        self._worker._step_loop.close()
        self._worker._watchdog.stop()
        await self._worker._topic_watch.stop()
        if self._worker._model is not None:
            await self._worker._model.stop()
        self._worker._table.close()

    async def _run(self, action: Coroutine[Any, Any, None]) -> None:
        task, error = asyncio.create_task(action), asyncio.create_task(self._errors.get())
        done, _ = await asyncio.wait([task, error], timeout=_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            error.cancel()
            task.result()
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if error in done:
            raise error.result()
        error.cancel()
        raise TimeoutError(f"not done after {_DEADLINE_S:.0f} s")


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
        worker = Worker(settings, engine)
        await worker.start(stack)
        self._workers.append(DrivenWorker(worker, stack, self._errors))
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

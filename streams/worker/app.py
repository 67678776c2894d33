"""The composition root: every part of a worker is made and joined here, and nowhere else.

A reader who knows `app`, `agents` and `pipeline` knows the system.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError
from faust.types import TP

from models import checkpoint
from models.data.user_state import user_state_fields
from models.inference.engine import Engine
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.training.online import OnlineLearner
from state.rows import RowLayout
from state.table import UserTable
from streams.errors import TransactionFailed
from streams.kafka.faust_transport import BatchConsumer, BatchSchema, BatchTransport, RecordBatch
from streams.kafka.topics import ensure_topics
from streams.kafka.transaction import TransactionWriter
from streams.schema.quality import format_quality
from streams.settings.settings import Settings
from streams.worker.changelog import Changelog
from streams.worker.item_catalog import ItemCatalog
from streams.worker.item_index import ItemIndex
from streams.worker.learner_thread import LearnerThread
from streams.worker.offset_gaps import OffsetGaps
from streams.worker.partitions import AssignedPartitions
from streams.worker.pipeline import Engine as StepEngine
from streams.worker.pipeline import Pipeline
from streams.worker.process import broker_reachable, die, stop_requested
from streams.worker.quality_meter import QualityMeter
from streams.worker.step_loop import StepLoop

log = logging.getLogger(__name__)

_REPORT_S = 10.0
# Of the time that a stop may take: without a broker the worker leaves without its last quality record.
_LAST_RECORD_S = 2.0
# Fetches that may wait for the next step; with the records of each bounded too, so is memory under a backlog.
_WAITING_FETCHES = 16


def run_worker(settings: Settings, engine: StepEngine | None = None) -> None:
    """Returns when the process was told to stop; ends it with 70 after an error.

    `engine` takes the network's place in benchmarks of the path around it; then nothing is learnt.
    """
    try:
        asyncio.run(_run(settings, engine))
    except Exception as error:
        die(error)


async def _run(settings: Settings, engine: StepEngine | None) -> None:
    stop = stop_requested()
    stack = AsyncExitStack()
    try:
        await _work(settings, engine, stack, stop)
    except Exception as error:
        # At once: closing what works would wait for what doesn't, or hide the error behind its own.
        die(error)
    try:
        await stack.aclose()
    except (KafkaError, asyncio.CancelledError) as error:
        # Without a broker aiokafka cannot close in order, and lets the cancellation of its own tasks out.
        log.warning("closing was incomplete: %r", error)
    log.info("stopped")


async def _work(settings: Settings, engine: StepEngine | None, stack: AsyncExitStack, stop: asyncio.Event) -> None:
    """Returns once `stop` is set; what was started is left for the stack to stop."""
    starting = asyncio.create_task(_started(settings, engine, stack))
    await _first(starting, stop)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    worker = starting.result()
    while not stop.is_set():
        await _first(asyncio.create_task(asyncio.sleep(_REPORT_S)), stop)
        worker.report()
        if worker.faust.crashed:
            raise RuntimeError("Faust crashed; its log says why") from worker.faust.crash_reason


async def _first(task: asyncio.Task[Any], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


async def _started(settings: Settings, engine: StepEngine | None, stack: AsyncExitStack) -> Worker:
    await broker_reachable(settings.kafka.bootstrap_servers)
    await ensure_topics(settings)
    worker = Worker(settings, engine)
    await worker.start(stack)
    return worker


class Worker:
    """The parts of one worker process, joined. Made inside a running event loop."""

    def __init__(self, settings: Settings, engine: StepEngine | None = None) -> None:
        self._settings = settings
        kafka, topics = settings.kafka, settings.topics
        self._items = ItemVocabulary(settings.items.capacity, ItemContent(settings.model))
        self._learning = None
        self._model: Engine | None = None
        if engine is None:
            engine, self._learning = self._network()
        self._table = UserTable(settings.worker.data_dir / "users", settings.worker.cache_mb << 20)
        self._compute = ThreadPoolExecutor(1, "compute")
        self._changelog = Changelog(kafka, settings.changelog_topic)
        self._writer = TransactionWriter(kafka)
        self._source = OffsetGaps(kafka, topics.user_events, self._consumer)
        self._register = ItemIndex(kafka, topics.item_index, self._items)
        self._catalog = ItemCatalog(kafka, topics.item_catalog, self._items)
        self._quality = QualityMeter(topics.interest_quality, self._writer.transactional_id)
        self._owners = AssignedPartitions(
            kafka,
            topics.user_events,
            self._table,
            self._changelog,
            self._writer.transactional_id,
            self._consumer,
            on_error=die,
        )
        self.pipeline = Pipeline(
            settings,
            engine,
            RowLayout(user_state_fields(settings.model)),
            self._items,
            self._owners,
            self._writer,
            self._source,
            self._register,
            self._catalog,
            self._quality,
        )
        self._steps = StepLoop(
            self.pipeline, self._owners, self._writer, self._compute, self._learning, settings.worker, on_error=die
        )
        self.faust = self._new_faust()

    def _network(self) -> tuple[Engine, LearnerThread]:
        settings, predictions = self._settings, self._settings.predictions
        engine = self._model = Engine(
            settings.model, self._items, predictions.top_items, predictions.top_categories, predictions.top_because
        )
        learning = LearnerThread(
            OnlineLearner(settings.model, settings.learning, self._items),
            publish=engine.update,
            save=lambda weights: checkpoint.save(
                self._checkpoints, replace(weights, experts=engine.experts()), settings.model, self._items
            ),
            settings=settings.worker,
            on_error=die,
        )
        return engine, learning

    @property
    def _checkpoints(self) -> Path:
        return self._settings.worker.data_dir / "checkpoints"

    def _new_faust(self) -> faust.App:
        settings = self._settings
        app = faust.App(
            settings.kafka.group_id,
            broker=[f"kafka://{server}" for server in settings.kafka.bootstrap_servers.split(",")],
            datadir=settings.worker.data_dir / "faust",
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            # Nothing is ever acknowledged, so that Faust must not wait for it before a rebalance.
            stream_wait_empty=False,
            stream_buffer_maxsize=_WAITING_FETCHES,
        )
        app.transport = BatchTransport(app, settings.kafka)
        app.agent(app.topic(settings.topics.user_events, schema=BatchSchema()), name="interests")(
            cast(Any, self._interests)
        )
        app.on_partitions_assigned.connect(self._on_assigned)
        app.on_partitions_revoked.connect(self._on_leave)
        app.on_before_shutdown.connect(self._on_leave)
        return app

    def _consumer(self) -> BatchConsumer:
        return cast(BatchConsumer, self.faust.consumer)

    async def _interests(self, stream: faust.Stream[RecordBatch]) -> None:
        await self._steps.run(stream)

    async def _on_assigned(self, *sent: Any, **_: Any) -> None:
        assigned: set[TP] = sent[1]
        mine = {tp.partition for tp in assigned if tp.topic == self._settings.topics.user_events}
        try:
            self._owners.assigned(mine, self._consumer().group_metadata())
        except Exception as error:
            # Faust would only remember it, and stand still.
            die(error)

    async def _on_leave(self, *_: Any, **__: Any) -> None:
        try:
            await self._owners.revoked()
        except Exception as error:
            die(error)

    async def start(self, stack: AsyncExitStack) -> None:
        """Everything runs; what was started is stopped by the stack, last first."""
        stack.callback(self._table.close)
        stack.callback(self._compute.shutdown)
        for part in (self._register, self._catalog, self._changelog, self._source, self._writer):
            await part.start()
            stack.push_async_callback(part.stop)
        stack.push_async_callback(self._write_last_quality)
        if self._learning is not None:
            self._learning.start(await self._saved())
            stack.push_async_callback(asyncio.to_thread, self._learning.stop)
        log.info("%d items are known", len(self._items))
        # Also where it is told to stop amid its start: its threads would keep the process.
        stack.push_async_callback(self.faust.stop)
        await self.faust.start()
        _freeze()

    async def _saved(self) -> Weights | None:
        """What this worker saved last, or else what was trained for it; the engine counts on from there."""
        own, trained = self._checkpoints, self._settings.worker.trained_dir
        folder = own if checkpoint.exists(own) else trained
        ids = checkpoint.item_ids(folder)
        # A register that is new, or has been lost, goes on as the checkpoint knows it. Another one is left alone.
        if ids[: len(self._items)] == self._items.ids(len(self._items)):
            await self._register.register(ids)
        saved = checkpoint.load(folder, self._settings.model, self._items)
        if saved is not None:
            log.info("weights m%d of %s", saved.version, folder)
            if self._model is not None:
                self._model.restore(saved.experts)
        return saved

    async def _write_last_quality(self) -> None:
        record = self._quality.pending_record()
        if record is None:
            return
        try:
            await asyncio.wait_for(self._writer.write({self._quality.topic_partition: [record]}), _LAST_RECORD_S)
        except (TransactionFailed, TimeoutError) as error:
            log.warning("the last record of %s is not written: %r", self._quality.topic_partition.topic, error)

    def report(self) -> None:
        """What was done since the last report is logged."""
        done, seconds = self.pipeline.take_counts()
        if done["steps"]:
            stages = ", ".join(
                f"{stage} {1e6 * spent / max(done['events'], 1):.0f}" for stage, spent in seconds.items()
            )
            log.info("%s; µs per event: %s", ", ".join(f"{n} {what}" for what, n in done.items()), stages)
            log.info("%s", format_quality(self._quality.quality()))


def _freeze() -> None:
    """What was imported and made so far is left out of garbage collections, and those come more rarely.

    A full collection walks every object of torch and Faust; under load they took half of the time of a step
    (`python -m bench throughput`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

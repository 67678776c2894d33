"""The composition root: every part of a worker is made and connected here, and nowhere else.

A reader who knows `app`, `step_loop` and `pipeline` knows the system.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from contextlib import AsyncExitStack
from typing import Any

from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from models import checkpoint
from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from state.table import UserTable
from streams.errors import SettingsError, TransactionFailed
from streams.kafka.client.access import check_access, raise_permanent, with_cure, worker_rights
from streams.kafka.source_consumer import SourceConsumer
from streams.kafka.topics import ensure_topics
from streams.kafka.transaction import TransactionWriter
from streams.log_levels import TRANSIENT
from streams.monitoring.process_monitoring import ProcessMonitoring
from streams.os_errors import check_open_files, raise_file_limit
from streams.settings.settings import Settings
from streams.worker.churn.churn_log import ChurnLog
from streams.worker.churn.sweep import ChurnSweep
from streams.worker.formats import JSON_ALONE, RecordFormats, connect_formats
from streams.worker.items.item_topics import ItemTopics
from streams.worker.model.followed_model import FollowedModel
from streams.worker.model.trainer_process import TrainerProcess
from streams.worker.output import OutputEncoder
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.partitions.changelog import Changelog
from streams.worker.partitions.offset_gaps import OffsetGaps
from streams.worker.partitions.partition_lag import PartitionLag
from streams.worker.partitions.partition_recovery import PartitionRecovery
from streams.worker.partitions.source_reader import SourceReader
from streams.worker.partitions.source_topic import SourceTopic
from streams.worker.partitions.topic_watch import TopicWatch
from streams.worker.pipeline import Engine, Pipeline
from streams.worker.process.lifecycle import exit_with_error, stop_event, wait_for_broker
from streams.worker.process.watchdog import Watchdog
from streams.worker.quality_meter import QualityMeter
from streams.worker.report import WorkerReport
from streams.worker.step_loop import StepLoop
from streams.worker.step_metrics import StepMetrics
from streams.worker.worker_collector import WorkerCollector
from streams.worker.worker_health import WorkerHealth

log = logging.getLogger(__name__)

_REPORT_INTERVAL_S = 10.0
# Of the time that a stop may take: without a broker the worker ends without its last quality record.
_LAST_RECORD_S = 2.0
_FIRST_RELEASE_S = 60.0


def run_worker(settings: Settings, engine: Engine | None = None) -> None:
    """Runs a worker until SIGTERM or SIGINT; ends the process with exit code 70 after an error.

    `engine` replaces the network in benchmarks of the path around it; then nothing is learnt.
    """
    log.info("this process may have %d files open", raise_file_limit())
    try:
        asyncio.run(_run(settings, engine))
    except Exception as error:
        exit_with_error(error)


async def _run(settings: Settings, engine: Engine | None) -> None:
    stop = stop_event()
    stack = AsyncExitStack()
    try:
        await _run_until(stop, settings, engine, stack)
    except Exception as error:
        # At once: closing the other parts could block, or raise an error that hides this one.
        exit_with_error(await with_cure(settings.kafka, error, worker_rights(settings)))
    try:
        await stack.aclose()
    except (KafkaError, asyncio.CancelledError) as error:
        # Without a broker aiokafka cannot close in order, and raises the cancellation of its own tasks.
        log.warning("closing was incomplete: %r", error)
    log.info("stopped")


async def _run_until(stop: asyncio.Event, settings: Settings, engine: Engine | None, stack: AsyncExitStack) -> None:
    """Starts a worker and returns once `stop` is set; the stack stops what was started."""
    starting = asyncio.create_task(_start(settings, engine, stack))
    await _wait_for_either(starting, stop)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    worker = starting.result()
    while not stop.is_set():
        await _wait_for_either(asyncio.create_task(asyncio.sleep(_REPORT_INTERVAL_S)), stop)
        worker.report.log()
        worker.check()


async def _start(settings: Settings, engine: Engine | None, stack: AsyncExitStack) -> Worker:
    monitoring = ProcessMonitoring(settings.monitoring.host, settings.monitoring.port)
    monitoring.start()
    stack.callback(monitoring.stop)
    await wait_for_broker(settings.kafka)
    rights = worker_rights(settings)
    await check_access(settings.kafka, rights)
    if any(topic.outcome == "created" for topic in await ensure_topics(settings)):
        await check_access(settings.kafka, rights)  # of topics that are not there yet, nothing can be learnt
    worker = Worker(settings, engine, await connect_formats(settings), monitoring.registry)
    monitoring.health.use(worker.health)
    await worker.start(stack)
    return worker


async def _wait_for_either(task: asyncio.Task[Any], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


class Worker:
    """The parts of one worker process, connected. Made inside a running event loop."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine | None = None,
        formats: RecordFormats = JSON_ALONE,
        registry: CollectorRegistry | None = None,
    ) -> None:
        kafka, topics = settings.kafka, settings.topics
        if settings.churn.enabled and not settings.model.horizons:
            raise SettingsError(["churn.enabled = true needs model.horizons = true, of which warnings are made"])
        self._settings = settings
        # First, as it locks the data folder
        self._table = UserTable(settings.worker.data_dir / "users", settings.worker.cache_mb << 20)
        self._consumer = SourceConsumer(settings, on_error=exit_with_error)
        # Item vocabulary and model
        set_compute_threads(settings.model)
        vocabulary = ItemVocabulary(settings.items.capacity, ItemContent(settings.model))
        self._items = ItemTopics(settings, vocabulary, formats.registry)
        self._model = self._trainer = None
        if engine is None:
            self._model = FollowedModel(settings, self._items, on_error=exit_with_error)
            engine = self._model.engine
            if settings.trainer.mode == "embedded":
                self._trainer = TrainerProcess(settings, on_error=exit_with_error)
        # Output: one transactional producer for everything that is written
        self._writer = TransactionWriter(kafka)
        self._quality = QualityMeter(topics.interest_quality, self._writer.transactional_id, self._owned_partitions)
        encoder = OutputEncoder(
            settings, self._items, self._quality, self._writer.transactional_id, formats.dump_prediction
        )
        # User state: RocksDB, restored from the changelog
        self._changelog = Changelog(kafka, settings.changelog_topic)
        self._offset_gaps = OffsetGaps(kafka, topics.user_events)
        source_topic = SourceTopic(kafka, topics.user_events, self._offset_gaps)
        recovery = PartitionRecovery(
            kafka, self._table, self._changelog, source_topic, self._consumer, self._writer.transactional_id
        )
        self._partitions = AssignedPartitions(recovery, self._raise_permanent, on_error=exit_with_error)
        # Input: the source topic
        self._topic_watch = TopicWatch(settings, on_error=exit_with_error)
        source = SourceReader(self._partitions, self._offset_gaps, self._consumer)

        self._watchdog = Watchdog(settings.worker.step_timeout_s, on_timeout=exit_with_error)
        metrics = StepMetrics(registry)
        self.pipeline = Pipeline(
            settings, engine, source, self._items, encoder, self._writer, self._watchdog, formats.registry, metrics
        )
        self._sweep = None
        if settings.churn.enabled and self._model is not None:
            self._sweep = ChurnSweep(
                settings,
                self._model.engine,
                vocabulary,
                ChurnLog(kafka, topics.interest_churn),
                self.pipeline,
                self._partitions,
            )
        self._step_loop = StepLoop(
            self.pipeline, self._partitions, self._model, settings.worker, self._raise_permanent, self._sweep
        )
        # What an operator sees: log, metrics, health
        self.report = WorkerReport(self.pipeline, self._offset_gaps, self._quality, self._model)
        lag = PartitionLag(self._partitions, self._consumer)
        self.health = WorkerHealth(
            self._partitions, lag, self._changelog, self._step_loop, metrics, settings.monitoring.live_timeout_s
        )
        if registry is not None:
            registry.register(
                WorkerCollector(
                    metrics,
                    self._partitions,
                    lag,
                    self._changelog,
                    self._offset_gaps,
                    self._writer,
                    self._items,
                    self._quality,
                    self._model,
                    topics.partitions,
                    self._sweep,
                )
            )

    async def start(self, stack: AsyncExitStack) -> None:
        """Starts everything; the stack stops what was started, last first."""
        stack.callback(self._table.close)
        stack.callback(self._step_loop.close)
        self._watchdog.start()
        stack.callback(self._watchdog.stop)
        for part in (self._items.index, self._items.catalog, self._changelog, self._offset_gaps, self._writer):
            await part.start()
            stack.push_async_callback(part.stop)
        if self._sweep is not None:
            await self._sweep.log.start()
            stack.push_async_callback(self._sweep.log.stop)
        self._topic_watch.start()
        stack.push_async_callback(self._topic_watch.stop)
        stack.push_async_callback(self._write_last_quality)
        if self._model is not None:
            await self._start_model(self._model, stack)
        log.info("%d items are known", len(self._items.vocabulary))
        # Pushed before the start, which a stop may interrupt: Faust's threads would keep the process alive.
        stack.push_async_callback(self._consumer.stop)
        await self._consumer.start(
            self._step_loop.run, on_assigned=self._partitions.on_assigned, on_revoked=self._partitions.on_revoked
        )
        _reduce_garbage_collection()

    async def _start_model(self, model: FollowedModel, stack: AsyncExitStack) -> None:
        await model.start()
        stack.push_async_callback(model.stop)
        if self._trainer is not None:
            await self._trainer.start()
            stack.push_async_callback(self._trainer.stop)
            if checkpoint.exists(self._settings.trainer.trained_dir):
                await self._wait_for_trained(model, self._trainer)
        await model.apply_new()

    async def _wait_for_trained(self, model: FollowedModel, trainer: TrainerProcess) -> None:
        """Returns once the trainer has released what `train` has learnt: predictions without that are poor."""
        end_s = time.monotonic() + _FIRST_RELEASE_S
        while not await model.wait_for_release(1.0):
            if trainer.has_failed or time.monotonic() > end_s:
                log.warning("there is no release of the model: starting without it")
                return
            log.info("waiting for the trainer, which starts from %s", self._settings.trainer.trained_dir)

    async def _raise_permanent(self, error: KafkaError) -> None:
        await raise_permanent(self._settings.kafka, error, worker_rights(self._settings))

    def check(self) -> None:
        """Raises RuntimeError where a part has failed that ends no process by itself, OSError where no file opens."""
        self._consumer.check()
        check_open_files()

    def _owned_partitions(self) -> list[int]:
        return [state.partition for state in self._partitions.states()]

    async def _write_last_quality(self) -> None:
        record = self._quality.pending_record()
        if record is None:
            return
        try:
            await asyncio.wait_for(self._writer.write({self._quality.topic_partition: [record]}), _LAST_RECORD_S)
        except (TransactionFailed, TimeoutError) as error:
            topic = self._quality.topic_partition.topic
            log.warning("the last record of %s is not written: %r", topic, error, extra=TRANSIENT)


def _reduce_garbage_collection() -> None:
    """Excludes what was imported and made so far from garbage collections, and makes those rarer.

    A full collection walks every object of torch and Faust; under load they took half of the time of a step
    (`python -m bench throughput`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

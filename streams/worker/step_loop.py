"""The loop over micro-batches: collects fetches into one micro-batch per interval, and recovers failed transactions.

Knows when a micro-batch is processed and what follows a failure; knows nothing of what the pipeline does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiokafka.errors import KafkaError

from streams.errors import TransactionFailed
from streams.kafka.faust_transport import RecordBatch
from streams.log_levels import TRANSIENT
from streams.settings.sections import WorkerSettings
from streams.worker.churn.sweep import ChurnSweep
from streams.worker.model.followed_model import FollowedModel
from streams.worker.partitions.assigned_partitions import AssignedPartitions
from streams.worker.pipeline import Pipeline

log = logging.getLogger(__name__)

T = TypeVar("T")
RaisePermanent = Callable[[KafkaError], Awaitable[None]]
"""Raises an error with its cure where trying again would change nothing"""

# A worker that wakes up after its group has moved on fails until its consumer has noticed: some heartbeats.
_MAX_FAILURES = 12
_MAX_PAUSE_S = 2.0
_RETRY_S = 1.0
_IDLE_S = 3.0
_SWEEP_RETRY_S = 60.0


async def collect_batches(
    batches: AsyncIterator[RecordBatch], interval_s: float, max_events: int
) -> AsyncIterator[list[RecordBatch]]:
    """The batches fetched of all partitions, at most once per interval; sooner when `max_events` records wait.

    A fetch is never split, so that a micro-batch may exceed `max_events` by one of them.
    """

    def fetch() -> asyncio.Future[RecordBatch | None]:
        return asyncio.ensure_future(anext(batches, None))

    following = fetch()
    began = 0.0
    try:
        while (batch := await asyncio.shield(following)) is not None:
            collected = [batch]
            waiting = len(batch.records)
            following = fetch()
            while waiting < max_events:
                left_s = began + interval_s - time.monotonic()
                done, _ = await asyncio.wait([following], timeout=max(left_s, 0.0))
                if not done or (batch := following.result()) is None:
                    break
                collected.append(batch)
                waiting += len(batch.records)
                following = fetch()
            began = time.monotonic()
            yield collected
    finally:
        following.cancel()


class StepLoop:
    """Runs the pipeline on one micro-batch after the other, and starts over from the changelog after a failure."""

    def __init__(
        self,
        pipeline: Pipeline,
        partitions: AssignedPartitions,
        model: FollowedModel | None,
        settings: WorkerSettings,
        raise_permanent: RaisePermanent,
        sweep: ChurnSweep | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._partitions = partitions
        self._model = model
        self._settings = settings
        self._raise_permanent = raise_permanent
        self._sweep = sweep
        self._compute = ThreadPoolExecutor(1, "compute")  # a blocked event loop would miss heartbeats and signals
        self._failures = 0
        self.is_processing = False
        """Whether a micro-batch is in work"""
        self._idle_since_s = time.monotonic()

    def close(self) -> None:
        """Ends the computing thread, after the micro-batch in it."""
        self._compute.shutdown()

    async def run(self, batches: AsyncIterator[RecordBatch]) -> None:
        """Processes batches until their end. Raises every error that is not a failed transaction."""
        settings = self._settings
        beside = [asyncio.create_task(self._skip_markers_when_idle())]
        if self._sweep is not None:
            beside.append(asyncio.create_task(self._sweep_forever()))
        try:
            async for collected in collect_batches(batches, settings.step_interval_s, settings.step_max_events):
                self._idle_since_s = time.monotonic()
                await self.process(collected)
                self._idle_since_s = time.monotonic()
        finally:
            for task in beside:
                task.cancel()

    async def _skip_markers_when_idle(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_S)
            if time.monotonic() - self._idle_since_s > _IDLE_S:
                await self.skip_markers()

    async def skip_markers(self) -> None:
        """Commits that only markers follow the records that are applied, where that is so."""
        try:
            markers = await self._pipeline.find_markers()  # takes its time, for which no record must wait
        except KafkaError as error:
            log.debug("the markers at the end are not looked for: %r", error)
            return
        if not markers:
            return
        async with self._partitions.keep_open():
            try:
                await self._pipeline.skip_markers(markers)
            except TransactionFailed as error:
                await self._recover(error)
            except KafkaError as error:
                log.debug("the markers at the end are not skipped: %r", error)

    async def _sweep_forever(self) -> None:
        while True:
            try:
                pause_s = await self.sweep_once()
            except Exception:
                # Warnings wait; predictions must not.
                log.exception("the sweep for silent users failed, and is tried again in %.0f s", _SWEEP_RETRY_S)
                pause_s = _SWEEP_RETRY_S
            await asyncio.sleep(pause_s)

    async def sweep_once(self) -> float:
        """Looks at some silent users between two micro-batches; seconds until the next call."""
        if self._sweep is None:
            return _IDLE_S
        try:
            await self._sweep.load()  # takes its time, for which no record must wait
        except (KafkaError, TimeoutError) as error:
            log.debug("warnings are not read: %r", error)
            return _RETRY_S
        async with self._partitions.keep_open():
            try:
                return await self._sweep.run(self._compute, asyncio.get_running_loop().run_in_executor)
            except TransactionFailed as error:
                await self._recover(error)
                return _RETRY_S

    async def process(self, batches: list[RecordBatch]) -> None:
        """Processes one micro-batch while the assigned partitions are kept open.

        After a failed transaction the partitions are being reopened when this returns; the records come again.
        """
        self.is_processing = True
        try:
            await self._process(batches)
        finally:
            self.is_processing = False

    async def _process(self, batches: list[RecordBatch]) -> None:
        async with self._partitions.keep_open():
            if self._model is not None:
                # Before the batch names items by their slots, which change hands where the item index is read.
                await self._retry(self._model.apply_new, "following the model")
            began_s = time.perf_counter()
            batch = await self._retry(lambda: self._pipeline.read(batches), "reading")
            if batch is None:
                return
            loop = asyncio.get_running_loop()
            output = await loop.run_in_executor(self._compute, self._pipeline.step, batch)
            try:
                ends = await self._pipeline.write(batch, output)
            except TransactionFailed as error:
                await self._recover(error)
                return
            self._failures = 0
            if self._sweep is not None:
                self._sweep.observe(batch)
            self._pipeline.metrics.add_duration(time.perf_counter() - began_s)
            if self._model is not None:
                partition = batch.partition
                await loop.run_in_executor(self._compute, self._model.observe, output.result, partition, ends)

    async def _recover(self, error: TransactionFailed) -> None:
        """Ends the failed transaction and reopens the partitions: the changelog decides what was committed."""
        self._failures += 1
        if self._failures > _MAX_FAILURES:
            raise error
        if isinstance(error.__cause__, KafkaError):
            await self._raise_permanent(error.__cause__)
        log.warning("the step's transaction failed (%s): starting over from the changelog", error, extra=TRANSIENT)
        await asyncio.sleep(min(0.1 * 2**self._failures, _MAX_PAUSE_S))
        await self._retry(self._pipeline.restart_producer, "restarting the producer")
        self._partitions.reopen()

    async def _retry(self, action: Callable[[], Awaitable[T]], what: str) -> T:
        """The action's result; repeats it after every KafkaError that may pass, however long the broker is away."""
        while True:
            try:
                return await action()
            except KafkaError as error:
                await self._raise_permanent(error)
                log.warning("%s failed, trying again: %r", what, error, extra=TRANSIENT)
                await asyncio.sleep(_RETRY_S)

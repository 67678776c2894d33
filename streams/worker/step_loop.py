"""The agent that Faust runs: whole fetches in, one step per interval.

Knows when to step and what to do when a step fails; knows nothing of what a step does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeVar, cast

from aiokafka.errors import KafkaError
from faust import Stream
from faust.types import EventT

from streams.errors import TransactionFailed
from streams.kafka.faust_transport import RecordBatch
from streams.kafka.transaction import TransactionWriter
from streams.settings.sections import WorkerSettings
from streams.worker.learner_thread import LearnerThread
from streams.worker.partitions import AssignedPartitions
from streams.worker.pipeline import Pipeline

log = logging.getLogger(__name__)

T = TypeVar("T")

# A worker that wakes up after its group has moved on fails until its consumer has learnt of it: some heartbeats.
_MOST_FAILURES = 12
_LONGEST_PAUSE_S = 2.0
_RETRY_S = 1.0


async def gathered(
    events: AsyncIterator[EventT[RecordBatch]], interval_s: float, max_events: int
) -> AsyncIterator[list[RecordBatch]]:
    """What has been fetched of all partitions, at most once per interval; sooner when `max_events` records wait.

    A fetch is never split, so that a step may exceed `max_events` by one of them.
    """

    def fetch() -> asyncio.Future[EventT[RecordBatch] | None]:
        return asyncio.ensure_future(anext(events, None))

    following = fetch()
    began = 0.0
    try:
        while (event := await asyncio.shield(following)) is not None:
            batches = [cast(RecordBatch, event.value)]
            waiting = len(batches[0].records)
            following = fetch()
            while waiting < max_events:
                left_s = began + interval_s - time.monotonic()
                done, _ = await asyncio.wait([following], timeout=max(left_s, 0.0))
                if not done or (event := following.result()) is None:
                    break
                batches.append(cast(RecordBatch, event.value))
                waiting += len(batches[-1].records)
                following = fetch()
            began = time.monotonic()
            yield batches
    finally:
        following.cancel()


class StepLoop:
    """Runs the pipeline's steps and brings the worker back after a failed transaction."""

    def __init__(
        self,
        pipeline: Pipeline,
        owners: AssignedPartitions,
        writer: TransactionWriter,
        compute: Executor,
        learning: LearnerThread | None,
        settings: WorkerSettings,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._pipeline = pipeline
        self._owners = owners
        self._writer = writer
        self._compute = compute
        self._learning = learning
        self._settings = settings
        self._on_error = on_error
        self._failures = 0

    async def run(self, stream: Stream[RecordBatch]) -> None:
        """Steps until Faust ends the stream. Any error that is not a failed transaction ends the process."""
        try:
            # Never acknowledged: the offset rows in the changelog are the only progress there is.
            events = stream.noack().events()
            async for batches in gathered(
                aiter(events), self._settings.step_interval_s, self._settings.step_max_events
            ):
                async with self._owners.step():
                    await self._step(batches)
        except Exception as error:
            # Faust would log it, commit past the batch and go on.
            self._on_error(error)

    async def _step(self, batches: list[RecordBatch]) -> None:
        work = await _persistently(lambda: self._pipeline.read(batches), "reading")
        if work is None:
            return
        loop = asyncio.get_running_loop()
        output = await loop.run_in_executor(self._compute, self._pipeline.step, work)
        try:
            await self._pipeline.write(work, output)
        except TransactionFailed as error:
            await self._recover(error)
            return
        self._failures = 0
        if self._learning is not None:
            self._learning.behind_backlog = len(work.events) >= self._settings.step_max_events
            self._learning.observe(work.batch, output.memory)

    async def _recover(self, error: TransactionFailed) -> None:
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            raise error
        log.warning("the step's transaction failed (%s): starting over from the changelog", error)
        await asyncio.sleep(min(0.1 * 2**self._failures, _LONGEST_PAUSE_S))
        await _persistently(self._writer.restart, "restarting the producer")
        self._owners.reopen()


async def _persistently(action: Callable[[], Awaitable[T]], what: str) -> T:
    """The action's result, however long the broker takes to be there again."""
    while True:
        try:
            return await action()
        except KafkaError as error:
            log.warning("%s failed, trying again: %r", what, error)
            await asyncio.sleep(_RETRY_S)

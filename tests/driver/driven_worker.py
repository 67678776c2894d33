"""A worker whose micro-batches the test asks for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, cast

from prometheus_client import CollectorRegistry
from torch import Tensor

from models.inference.engine import Engine as InferenceEngine
from models.items.vocabulary import ItemContentLike
from models.network.interest_network import ITEM_TABLES
from streams.kafka.faust_transport import RecordBatch
from streams.worker.app import Worker
from streams.worker.partitions.partition_state import PartitionState
from streams.worker.worker_health import WorkerHealth
from tests.driver.source import InMemorySource

_DEADLINE_S = 10.0
_MAX_STEPS = 1000


class DrivenWorker:
    """A worker whose micro-batches the test asks for."""

    def __init__(
        self,
        worker: Worker,
        stack: AsyncExitStack,
        errors: asyncio.Queue[BaseException],
        registry: CollectorRegistry,
    ) -> None:
        self.source = cast(InMemorySource, worker._consumer)
        self._worker = worker
        self._stack = stack
        self._errors = errors
        self.registry = registry
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

    async def sweep(self, chunks: int = 8) -> None:
        """So many looks at silent users, each of which begins a pass where none is in work."""
        for _ in range(chunks):
            await self._run(self._sweep_once())

    async def _sweep_once(self) -> None:
        await self._worker._step_loop.sweep_once()

    @property
    def health(self) -> WorkerHealth:
        """Its health checks."""
        return self._worker.health

    def metric(self, name: str, **labels: str) -> float | None:
        """A sample of its metrics; None where there is none."""
        return self.registry.get_sample_value(name, labels)

    def take_counts(self) -> Counter[str]:
        """What was counted since the last call."""
        return self._worker.pipeline.metrics.take_counts()[0]

    def take_expired(self) -> int:
        """Records that expired unread since the last call."""
        return self._worker._offset_gaps.take_expired()

    def report(self) -> None:
        """Logs what a worker logs every few seconds."""
        self._worker.report.log()

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

"""The partitions of the source topic that this worker owns: opened after an assignment, closed before the next one.

Knows which source record each partition needs next; knows nothing of events or of how a step is computed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from state.store import PartitionStore
from state.table import UserTable
from streams.errors import StaleMembership
from streams.kafka.faust_transport import BatchConsumer
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.settings.sections import KafkaSettings
from streams.worker.changelog import Changelog, SourceOffset, is_outdated

log = logging.getLogger(__name__)

_RETRY_S = 1.0


@dataclass(slots=True)
class PartitionState:
    """One partition in this worker's hands: its rows and the only source record that may come next."""

    partition: int
    store: PartitionStore
    next_offset: int
    rewound_s: float | None = None  # when a rewind began whose records have not arrived yet


class AssignedPartitions:
    """All partitions of this worker, under one lock: a step never overlaps an opening or a closing."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        table: UserTable,
        changelog: Changelog,
        transactional_id: str,
        consumer: Callable[[], BatchConsumer],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._table = table
        self._changelog = changelog
        self._transactional_id = transactional_id
        self._consumer = consumer
        self._on_error = on_error
        self._owners: dict[int, PartitionState] = {}
        self._membership: ConsumerGroupMetadata | None = None
        self._opening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._busy = asyncio.Lock()

    @property
    def group_metadata(self) -> ConsumerGroupMetadata:
        """The membership of the last assignment."""
        if self._membership is None:
            raise RuntimeError("nothing is assigned yet")
        return self._membership

    def get(self, partition: int) -> PartitionState | None:
        """The owner of a partition; None if it is not ours."""
        return self._owners.get(partition)

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Inside, every assigned partition is open and stays open."""
        while True:
            await self._ready.wait()
            async with self._busy:
                if self._ready.is_set():
                    yield
                    return

    def assigned(self, partitions: Collection[int], group_metadata: ConsumerGroupMetadata) -> None:
        """The partitions are being opened; `step` waits for it.

        Call it in the assigned handler and do not wait there: the group's heartbeats would stop.
        """
        self._membership = group_metadata
        self._start_opening(self._open(partitions))

    async def revoked(self) -> None:
        """Everything is closed; the step in work was finished first, for its generation is still valid."""
        self._ready.clear()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
            self._opening = None
        async with self._busy:
            self._close()

    def reopen(self) -> None:
        """What is assigned is opened again from what the changelog holds: the way back from a failed transaction."""
        self._start_opening(self._open(None))

    def _start_opening(self, opening: Coroutine[Any, Any, None]) -> None:
        self._ready.clear()
        if self._opening is not None:
            self._opening.cancel()
        self._opening = asyncio.create_task(opening)
        self._opening.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    async def _open(self, assigned: Collection[int] | None) -> None:
        """Opens what is assigned; None opens again what is open, which is nothing after a revocation."""
        async with self._busy:
            partitions = sorted(self._owners if assigned is None else assigned)
            while True:
                self._close()
                try:
                    await self._open_once(partitions)
                except StaleMembership as error:
                    log.warning("%s; waiting for the next assignment", error)
                    return
                except KafkaError as error:
                    log.warning("opening partitions %s failed, trying again: %r", partitions, error)
                    await asyncio.sleep(_RETRY_S)
                else:
                    break
            self._ready.set()
        log.info("own partitions %s (generation %d)", partitions or "none", self.group_metadata.generation)

    async def _open_once(self, partitions: list[int]) -> None:
        if partitions:
            await self._changelog.wait_for_stable_offset(partitions, self._end_transactions)
            known = len(self._table.quarantined)
            stores = {partition: self._table.open(partition) for partition in partitions}
            for folder in self._table.quarantined[known:]:
                log.warning("damaged rows are set aside in %s and restored from the changelog", folder)
            for partition, store in stores.items():
                if is_outdated(store):
                    log.warning("the rows of partition %d are too old to be brought up to date: dropped", partition)
                    stores[partition] = self._table.discard(partition)
            await self._changelog.restore(stores)
            for partition, store in stores.items():
                next_offset = 0 if store.offset_row is None else SourceOffset.decode(store.offset_row).next_offset
                self._owners[partition] = PartitionState(partition, store, next_offset)
                # Where the group stands is not asked: its offsets outlive a changelog that was given up.
                await self._consumer().rewind(self._topic, partition, next_offset)

    def _close(self) -> None:
        self._owners.clear()
        self._table.close_partitions()

    async def _end_transactions(self, writers: set[str]) -> None:
        # A frozen worker that wakes up here would otherwise end its successor's transaction.
        if not await self._consumer().is_member(self.group_metadata):
            raise StaleMembership("the consumer group has moved on without this worker")
        # This process's own transaction is ended by its own producer.
        for writer in writers - {self._transactional_id}:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._kafka.bootstrap_servers, transactional_id=writer, retry_backoff_ms=20
            )
            await producer.start()
            await producer.stop()

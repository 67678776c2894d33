"""The source partitions that are assigned to this worker: opened after an assignment, closed on revocation.

Knows the next source offset of each partition; knows nothing of events or of how a micro-batch is computed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError

from streams.errors import StaleMembership
from streams.kafka.fenced_producer import ConsumerGroupMetadata
from streams.log_levels import TRANSIENT
from streams.worker.partitions.partition_recovery import PartitionRecovery
from streams.worker.partitions.partition_state import PartitionState

log = logging.getLogger(__name__)

_RETRY_S = 1.0


class AssignedPartitions:
    """All partitions of this worker, under one lock: a micro-batch never overlaps an opening or a closing.

    Partitions are opened for an assignment only, never for a delivered batch: the group's generation does not prove
    which partitions a member owns.
    """

    def __init__(
        self,
        recovery: PartitionRecovery,
        raise_permanent: Callable[[KafkaError], Awaitable[None]],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._recovery = recovery
        self._raise_permanent = raise_permanent
        self._on_error = on_error
        self._states: dict[int, PartitionState] = {}
        self._group_metadata: ConsumerGroupMetadata | None = None
        self._opening: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self._lock = asyncio.Lock()
        self.assignments = 0
        """Of partitions to this worker, by the group"""

    @property
    def group_metadata(self) -> ConsumerGroupMetadata:
        """Generation and member id as they were at the last assignment."""
        if self._group_metadata is None:
            raise RuntimeError("nothing is assigned yet")
        return self._group_metadata

    def get(self, partition: int) -> PartitionState | None:
        """The state of a partition; None if it is not assigned to this worker."""
        return self._states.get(partition)

    def states(self) -> list[PartitionState]:
        """The states of all assigned partitions, in order. Any thread may call it."""
        states = self._states
        return [states[partition] for partition in sorted(states)]

    @property
    def is_open(self) -> bool:
        """Whether the group has assigned partitions, or none, and all of them are open."""
        return self._opened.is_set()

    @property
    def is_opening(self) -> bool:
        """Whether assigned partitions are being opened."""
        return self._opening is not None and not self._opening.done()

    @asynccontextmanager
    async def keep_open(self) -> AsyncIterator[None]:
        """Inside the block every assigned partition is open and stays open; waits until that is so."""
        while True:
            await self._opened.wait()
            async with self._lock:
                if self._opened.is_set():
                    yield
                    return

    def on_assigned(self, partitions: Collection[int], group_metadata: ConsumerGroupMetadata) -> None:
        """Starts to open the partitions; `keep_open` waits for it.

        To be called in the consumer's assigned handler, which must not wait: the group's heartbeats would stop.
        """
        self._group_metadata = group_metadata
        self.assignments += 1
        self._start_opening(self._open(partitions))

    async def on_revoked(self) -> None:
        """Closes everything, after the micro-batch in work: its generation is valid until this returns."""
        self._opened.clear()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
            self._opening = None
        async with self._lock:
            await self._close()

    def reopen(self) -> None:
        """Starts to open the same partitions again from the changelog: the way back from a failed transaction."""
        self._start_opening(self._open(None))

    def _start_opening(self, opening: Coroutine[Any, Any, None]) -> None:
        self._opened.clear()
        if self._opening is not None:
            self._opening.cancel()
        self._opening = asyncio.create_task(opening)
        self._opening.add_done_callback(self._report_error)

    def _report_error(self, opening: asyncio.Task[None]) -> None:
        if not opening.cancelled() and (error := opening.exception()) is not None:
            self._on_error(error)

    async def _open(self, assigned: Collection[int] | None) -> None:
        """Opens these partitions; None opens again what is open, which is nothing after a revocation."""
        async with self._lock:
            partitions = sorted(self._states if assigned is None else assigned)
            while True:
                await self._close()
                try:
                    self._states = await self._recovery.open(partitions, self.group_metadata)
                except StaleMembership as error:
                    log.warning("%s; waiting for the next assignment", error, extra=TRANSIENT)
                    return
                except KafkaError as error:
                    await self._raise_permanent(error)
                    log.warning("opening partitions %s failed, trying again: %r", partitions, error, extra=TRANSIENT)
                    await asyncio.sleep(_RETRY_S)
                else:
                    break
            self._opened.set()
        log.info("own partitions %s (generation %d)", partitions or "none", self.group_metadata.generation)

    async def _close(self) -> None:
        self._states = {}
        await self._recovery.close()

"""What `interest-churn` says of one partition's users: the state of the sweep, which a new owner begins with."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.errors import StreamError
from streams.kafka.client.client_options import client_options
from streams.kafka.closing import close_all
from streams.schema.churn import LEVELS, RESERVED, SWEEP_KEY, SweepPosition, decode_position, decode_warning
from streams.settings.sections import KafkaSettings
from streams.worker.partitions.partition_state import PartitionState

log = logging.getLogger(__name__)

_POLL_S = 0.02
_FETCH_TIMEOUT_MS = 50


@dataclass(slots=True)
class PartitionWarnings:
    """The users of an open partition who have been warned of, and how far the sweep is."""

    state: PartitionState
    """As long as it is open: after a failed transaction another one is read anew"""
    levels: dict[bytes, int] = field(default_factory=dict)
    """Index into LEVELS by user; those above 0"""
    position: SweepPosition = field(default_factory=lambda: SweepPosition(0, "", is_done=True))
    returned: dict[bytes, None] = field(default_factory=dict)
    """Users who were warned of and have new events, in order"""


class ChurnLog:
    """Reads a partition to its end, outside of the group."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._committed, self._uncommitted = (
            AIOKafkaConsumer(**client_options(kafka), isolation_level=level, auto_offset_reset="none")
            for level in ("read_committed", "read_uncommitted")
        )

    async def start(self) -> None:
        """Connects both consumers."""
        await self._committed.start()
        await self._uncommitted.start()

    async def stop(self) -> None:
        """Closes both consumers."""
        await close_all(self._committed.stop, self._uncommitted.stop)

    async def load(self, state: PartitionState) -> PartitionWarnings:
        """The warnings of a partition that is open: all that its owners before have committed. Raises KafkaError.

        They can commit no more once the partition is open, but the marker of their last transaction may still come.
        """
        tp = TopicPartition(self._topic, state.partition)
        end = (await self._uncommitted.end_offsets([tp]))[tp]
        while (await self._committed.end_offsets([tp]))[tp] < end:  # noqa: ASYNC110  # a broker sets no event
            await asyncio.sleep(_POLL_S)
        begin = (await self._committed.beginning_offsets([tp]))[tp]
        warnings = PartitionWarnings(state)
        self._committed.assign([tp])
        self._committed.seek(tp, begin)
        try:
            while await self._committed.position(tp) < end:
                for records in (await self._committed.getmany(tp, timeout_ms=_FETCH_TIMEOUT_MS)).values():
                    for record in records:
                        _apply(warnings, record.key or b"", record.value)
        finally:
            self._committed.unsubscribe()  # else it would fetch for ever
        return warnings


def _apply(warnings: PartitionWarnings, key: bytes, value: bytes | None) -> None:
    try:
        if key == SWEEP_KEY and value is not None:
            warnings.position = decode_position(value)
        elif key[:1] != RESERVED:
            level = 0 if value is None else LEVELS.index(decode_warning(value).level)
            if level:
                warnings.levels[key] = level
            else:
                warnings.levels.pop(key, None)
    except StreamError as error:
        log.warning("the warning of %r is passed over: %s", key[:40], error)

"""The source topic, asked directly whether what is missing between two fetches is really not there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.kafka.faust_transport import BatchConsumer
from streams.settings.sections import KafkaSettings
from streams.worker.partitions import PartitionState

log = logging.getLogger(__name__)

# What was under way before a rewind arrives within this; a gap that is still there later is a new one.
_REWIND_S = 5.0


class OffsetGaps:
    """Tells holes in the log (commit markers, aborted or expired records) from records that were not delivered."""

    def __init__(self, kafka: KafkaSettings, topic: str, consumer: Callable[[], BatchConsumer]) -> None:
        self._topic = topic
        self._faust = consumer
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
        )

    async def start(self) -> None:
        """The consumer is connected."""
        await self._consumer.start()

    async def stop(self) -> None:
        """The consumer is closed."""
        await self._consumer.stop()

    async def is_offset_gap(self, partition: int, begin: int, end: int) -> bool:
        """Whether no committed record lies at the offsets from `begin` up to, not including, `end`, where one lies."""
        tp = TopicPartition(self._topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, begin)
        record = await self._consumer.getone(tp)
        return int(record.offset) >= end

    async def rewind(self, owner: PartitionState, offset: int) -> None:
        """The partition is delivered again from `offset` on; asked for again, it waits for the first rewind to show."""
        now = time.monotonic()
        if owner.rewound_s is not None and now - owner.rewound_s < _REWIND_S:
            return
        log.warning("partition %d: records from offset %d on were not delivered: rewinding", owner.partition, offset)
        owner.rewound_s = now
        await self._faust().rewind(self._topic, owner.partition, offset)

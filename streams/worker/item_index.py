"""The register of items: a log in which an item's index is the order of its first appearance.

Every worker reads the same log, so that the same item has the same index everywhere and for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import cast

from aiokafka import AIOKafkaProducer, ConsumerRecord

from models.errors import ItemCapacityError
from models.items.vocabulary import ItemVocabulary
from streams.kafka.follower import TopicFollower
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)


class ItemIndex:
    """Gives every item its index."""

    def __init__(self, kafka: KafkaSettings, topic: str, items: ItemVocabulary) -> None:
        self._topic = topic
        self._items = items
        self._log = TopicFollower(kafka, topic, self._add)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=True, linger_ms=0, max_batch_size=1 << 20
        )
        self._full = False

    async def start(self) -> None:
        """Every registered item is known."""
        await self._producer.start()
        await self._log.start()

    async def stop(self) -> None:
        """Producer and consumer are closed."""
        await self._producer.stop()
        await self._log.stop()

    async def register(self, item_ids: Collection[str]) -> None:
        """All these items (each named once) are known, unless the register is full.

        An item that this worker does not know is written to the log and read back: where two workers write the same
        item, the first record counts for both.
        """
        await self._log.drain()
        # What another worker registers meanwhile is registered twice, which costs a record and changes nothing.
        unknown = self._unknown(item_ids)[: self._items.capacity - len(self._items)]
        if unknown:
            sent = [
                await self._producer.send(self._topic, key=item_id.encode(), value=b"", partition=0)
                for item_id in unknown
            ]
            written = await asyncio.gather(*sent)
            await self._log.read_to(0, written[-1].offset + 1)

    def _unknown(self, item_ids: Collection[str]) -> list[str]:
        return [item_id for item_id in item_ids if self._items.index(item_id) is None]

    def _add(self, record: ConsumerRecord[bytes, bytes]) -> None:
        try:
            self._items.add(cast(bytes, record.key).decode())
        except ItemCapacityError as error:
            if not self._full:
                log.error("%s", error)
            self._full = True

"""The item index: a topic of one partition in which an item's index is the order of its first appearance.

Every worker reads the same topic, so that an item has the same index in every worker and after every restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import cast

from aiokafka import AIOKafkaProducer, ConsumerRecord

from models.errors import ItemCapacityError
from models.items.vocabulary import ItemVocabulary
from streams.errors import TopicError
from streams.kafka.client.client_options import producer_options
from streams.kafka.follower import TopicFollower
from streams.kafka.undecodable import UndecodableRecord
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)


class ItemIndex:
    """Follows the index topic and registers new items in it."""

    def __init__(self, kafka: KafkaSettings, topic: str, items: ItemVocabulary) -> None:
        self._topic = topic
        self._items = items
        self._follower = TopicFollower(kafka, topic, self._add)
        self._producer = AIOKafkaProducer(
            **producer_options(kafka), enable_idempotence=True, linger_ms=0, max_batch_size=1 << 20
        )
        self._full_logged = False

    async def start(self) -> None:
        """Adds every registered item to the vocabulary."""
        await self._producer.start()
        await self._follower.start()

    async def stop(self) -> None:
        """Closes producer and consumer."""
        await self._producer.stop()
        await self._follower.stop()

    async def register(self, item_ids: Collection[str]) -> None:
        """Adds these items (each named once) to the vocabulary, as far as its capacity allows.

        An unknown item is written to the topic and read back: where two workers write the same item, the first record
        counts for both.
        """
        await self._follower.drain()
        # What another worker registers meanwhile is registered twice, which costs a record and changes nothing.
        unknown = self._unknown(item_ids)[: self._items.capacity - len(self._items)]
        if unknown:
            writing = [
                await self._producer.send(self._topic, key=item_id.encode(), value=b"", partition=0)
                for item_id in unknown
            ]
            written = await asyncio.gather(*writing)
            await self._follower.read_to(0, written[-1].offset + 1)

    def _unknown(self, item_ids: Collection[str]) -> list[str]:
        return [item_id for item_id in item_ids if self._items.index(item_id) is None]

    def _add(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if isinstance(record, UndecodableRecord):
            raise TopicError(
                f"{record.topic}: {record.message}. Its order is the items' numbering, so that no record can be left "
                "out: restore the topic, or start anew with another (topics.item_index, kafka.group_id)"
            )
        try:
            self._items.add(cast(bytes, record.key).decode())
        except ItemCapacityError as error:
            if not self._full_logged:
                log.error("%s", error)
            self._full_logged = True

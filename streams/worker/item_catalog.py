"""What the items are: titles and categories from the compacted catalog topic."""

from __future__ import annotations

import logging

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from models.items.vocabulary import ItemVocabulary
from streams.errors import Rejected
from streams.kafka.follower import TopicFollower
from streams.kafka.transaction import Record
from streams.schema.events import ItemDelete, ItemUpsert, decode_item
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)


class ItemCatalog:
    """Keeps the items' descriptions current."""

    def __init__(self, kafka: KafkaSettings, topic: str, items: ItemVocabulary) -> None:
        self._items = items
        self._log = TopicFollower(kafka, topic, self._describe)

    async def start(self) -> None:
        """Every item in the catalog is described."""
        await self._log.start()

    async def stop(self) -> None:
        """The consumer is closed."""
        await self._log.stop()

    async def refresh(self) -> None:
        """What has arrived since the last call is applied; call it between steps, when nobody reads the items."""
        await self._log.drain()

    def record(self, item: ItemUpsert | ItemDelete) -> tuple[TopicPartition, Record]:
        """The catalog's record of a control event, and where it goes."""
        key = item.item_id.encode()
        value = None if isinstance(item, ItemDelete) else msgspec.json.encode(item)
        return self._log.partition_of(key), Record(key, value)

    def _describe(self, record: ConsumerRecord[bytes, bytes]) -> None:
        try:
            item = decode_item(record)
        except Rejected as error:
            log.warning(
                "%s, partition %d, offset %d: left out: %s", record.topic, record.partition, record.offset, error
            )
            return
        if isinstance(item, ItemDelete):
            self._items.forget(item.item_id)
        else:
            self._items.describe(item.item_id, item.title, item.categories, item.text, item.features)

"""Descriptions of the items: titles, categories, texts and features from the compacted catalog topic."""

from __future__ import annotations

import logging

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from models.items.vocabulary import ItemVocabulary
from streams.errors import Rejected
from streams.kafka.follower import TopicFollower
from streams.kafka.transaction import ProducerRecord
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.decoder import decode_item
from streams.schema.events import ItemDelete, ItemUpsert
from streams.schema.parsing.wire_format import Transcoder
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)


class ItemCatalog:
    """Follows the catalog topic and applies its records to the item vocabulary."""

    def __init__(
        self, kafka: KafkaSettings, topic: str, items: ItemVocabulary, transcoder: Transcoder | None = None
    ) -> None:
        self._items = items
        self._transcoder = transcoder
        prepare = None if transcoder is None else transcoder.load
        self._follower = TopicFollower(kafka, topic, self._describe, prepare)

    async def start(self) -> None:
        """Applies the whole catalog."""
        await self._follower.start()

    async def stop(self) -> None:
        """Closes the consumer."""
        await self._follower.stop()

    async def refresh(self) -> None:
        """Applies what has arrived since the last call; call it while nobody reads the vocabulary."""
        await self._follower.drain()

    def record(self, item: ItemUpsert | ItemDelete) -> tuple[TopicPartition, ProducerRecord]:
        """The catalog record of a control event, and its partition."""
        key = item.item_id.encode()
        value = None if isinstance(item, ItemDelete) else msgspec.json.encode(item)
        return self._follower.partition_of(key), ProducerRecord(key, value)

    def _describe(self, record: ConsumerRecord[bytes, bytes]) -> None:
        try:
            if isinstance(record, UndecodableRecord):
                raise Rejected(record.code, record.message)
            item = decode_item(record, transcoder=self._transcoder)
        except Rejected as error:
            log.warning(
                "%s, partition %d, offset %d: left out: %s", record.topic, record.partition, record.offset, error
            )
            return
        if isinstance(item, ItemDelete):
            self._items.forget(item.item_id)
        else:
            self._items.describe(
                item.item_id, item.title, item.categories, item.text, item.features, item.protected, item.numbers
            )

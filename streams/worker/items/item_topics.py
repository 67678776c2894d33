"""The item vocabulary and its two topics: `item-index` registers the items, `item-catalog` describes them."""

from __future__ import annotations

import time
from collections.abc import Collection

from aiokafka.structs import TopicPartition

from models.items.vocabulary import ItemVocabulary
from streams.kafka.transaction import ProducerRecord
from streams.schema.events import ItemDelete, ItemUpsert
from streams.schema.parsing.wire_format import Transcoder
from streams.settings.settings import Settings
from streams.worker.items.item_catalog import ItemCatalog
from streams.worker.items.item_index import ItemIndex


class ItemTopics:
    """The vocabulary and the followers of both topics, which alone change it. Both are to be started and stopped."""

    def __init__(self, settings: Settings, vocabulary: ItemVocabulary, transcoder: Transcoder | None = None) -> None:
        self.vocabulary = vocabulary
        self.index = ItemIndex(settings.kafka, settings.topics.item_index, vocabulary)
        self.catalog = ItemCatalog(settings.kafka, settings.topics.item_catalog, vocabulary, transcoder)

    async def update(self, item_ids: Collection[str]) -> None:
        """Applies new descriptions and registers these items (each named once), so that every one has its slot.

        To be called between micro-batches, while nobody reads the vocabulary: slots change hands here alone.
        """
        await self.catalog.refresh()
        await self.index.register(item_ids)
        # When events arrive, not when they happened: one that comes late shows that its item is in use, too.
        self.vocabulary.register.mark_seen(item_ids, int(time.time() * 1000))

    def catalog_record(self, item: ItemUpsert | ItemDelete) -> tuple[TopicPartition, ProducerRecord]:
        """The catalog record of a control event, and its partition."""
        return self.catalog.record(item)

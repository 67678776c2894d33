"""The item index: a topic of one partition whose records register items, one after the other.

Every worker reads the same topic, so that an item has the same index and the same slot in every worker and after every
restart (models/items/slots.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaProducer, ConsumerRecord

from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from streams.kafka.client.client_options import producer_options
from streams.kafka.follower import TopicFollower
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.item_registration import decode_registration, encode_registration, unreadable_register
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)

_MAX_ATTEMPTS: Final = 8
"""Times that newcomers are registered which got no slot because other workers have evicted all their candidates"""


class ItemIndex:
    """Follows the index topic and registers new items in it."""

    def __init__(self, kafka: KafkaSettings, topic: str, items: ItemVocabulary) -> None:
        self._topic = topic
        self._items = items
        self._follower = TopicFollower(kafka, topic, self._apply)
        self._producer = AIOKafkaProducer(
            **producer_options(kafka), enable_idempotence=True, linger_ms=0, max_batch_size=1 << 20
        )
        self._full_logged = False

    async def start(self) -> None:
        """Applies all registrations to the vocabulary."""
        await self._producer.start()
        await self._follower.start()

    async def stop(self) -> None:
        """Closes producer and consumer."""
        await self._producer.stop()
        await self._follower.stop()

    async def register(self, item_ids: Collection[str]) -> None:
        """Gives each of these items (each named once) a slot, that of the item unseen for longest where all are taken.

        An unknown item is written to the topic and read back: where two workers write the same item, the first record
        counts for both. None of `item_ids` is evicted for another one, so that an item has no slot where protected ones
        and these are more than `items.capacity`.
        """
        await self._follower.drain()
        for _ in range(_MAX_ATTEMPTS):
            # What another worker registers meanwhile is registered twice, which costs a record and changes nothing.
            unknown = self._unknown(item_ids)
            if not unknown:
                return
            registrations = self._items.registrations(len(unknown), spared=item_ids)
            if not registrations:
                break
            await self._write(dict(zip(unknown, registrations, strict=False)))
        if not self._full_logged and (unknown := self._unknown(item_ids)):
            log.warning(
                "%d items of a micro-batch, item %r among them, have no place beside its others and the protected ones "
                "(items.capacity = %d): their events count as those of no item; raise items.capacity",
                len(unknown),
                unknown[0],
                self._items.capacity,
            )
            self._full_logged = True

    async def _write(self, registrations: Mapping[str, Registration]) -> None:
        """Writes the records and reads them back."""
        writing = [
            await self._producer.send(
                self._topic, key=item_id.encode(), value=encode_registration(registration), partition=0
            )
            for item_id, registration in registrations.items()
        ]
        written = await asyncio.gather(*writing)
        await self._follower.read_to(0, written[-1].offset + 1)

    async def catch_up(self) -> None:
        """Adds all items that are registered at the call."""
        await self._follower.catch_up()

    def _unknown(self, item_ids: Collection[str]) -> list[str]:
        return [item_id for item_id in item_ids if self._items.slot(item_id) is None]

    def _apply(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if isinstance(record, UndecodableRecord):
            raise unreadable_register(record.topic, record.message)
        self._items.apply(*decode_registration(record.topic, record.key, record.value, record.timestamp))

"""Titles of items for people who read predictions, kept current from the catalog topic."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from streams.errors import Rejected
from streams.kafka.reader import TopicReader, read_to_end, reading
from streams.schema.events import ItemUpsert, decode_item


class Titles:
    """Title and categories by item id, as far as the catalog knows them."""

    def __init__(self, servers: str, topic: str):
        self._servers, self._topic = servers, topic
        self._items: dict[str, ItemUpsert] = {}
        self._open = AsyncExitStack()
        self._consumer: TopicReader

    async def __aenter__(self) -> Self:
        self._consumer = await self._open.enter_async_context(reading(self._servers, [self._topic]))
        await self.refresh()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def refresh(self) -> None:
        """All that the catalog says at this moment is known."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        async for record in read_to_end(self._consumer, ends):
            try:
                item = decode_item(record)
            except Rejected:
                continue  # a bad record of the catalog describes nothing; the worker says so
            if isinstance(item, ItemUpsert):
                self._items[item.item_id] = item
            else:
                self._items.pop(item.item_id, None)

    def __call__(self, item_id: str) -> str:
        """The item's title, its id where it has none."""
        item = self._items.get(item_id)
        return item.title if item is not None and item.title else item_id

    def categories(self, item_id: str) -> tuple[str, ...]:
        """The item's categories; empty where it is unknown."""
        item = self._items.get(item_id)
        return item.categories if item is not None else ()

"""Item titles and categories, read from the `item-catalog` topic."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from streams.errors import Rejected
from streams.kafka.reader import TopicReader, read_to_end, reading
from streams.registry.connection import connect_registry
from streams.schema.decoder import decode_item
from streams.schema.events import ItemUpsert
from streams.schema.parsing.wire_format import Transcoder
from streams.settings.settings import Settings


class ItemTitles:
    """Title and categories by item id; call it with an item id for the title."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._transcoder: Transcoder | None = None
        self._items: dict[str, ItemUpsert] = {}
        self._exit_stack = AsyncExitStack()
        self._consumer: TopicReader

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._transcoder = await connect_registry(settings.registry)
        self._consumer = await self._exit_stack.enter_async_context(
            reading(settings.kafka, [settings.topics.item_catalog])
        )
        await self.refresh()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit_stack.aclose()

    async def refresh(self) -> None:
        """Read the catalog topic up to its present end."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        async for record in read_to_end(self._consumer, ends):
            if self._transcoder is not None:
                await self._transcoder.load([record])
            try:
                item = decode_item(record, transcoder=self._transcoder)
            except Rejected:
                continue  # the worker logs bad records of the catalog
            if isinstance(item, ItemUpsert):
                self._items[item.item_id] = item
            else:
                self._items.pop(item.item_id, None)

    def __call__(self, item_id: str) -> str:
        """The item's title; its id if the catalog has no title."""
        item = self._items.get(item_id)
        return item.title if item is not None and item.title else item_id

    def categories(self, item_id: str) -> tuple[str, ...]:
        """The item's categories; empty if the catalog does not have the item."""
        item = self._items.get(item_id)
        return item.categories if item is not None else ()

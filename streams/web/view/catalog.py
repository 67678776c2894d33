"""Items: their titles and categories, as the catalog has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from state.ordered_store import OrderedStore
from streams.policy.item_filters import DescribedItem
from streams.schema.events import ItemDelete, ItemUpsert
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import ITEM, id_key
from streams.web.view.rows import ITEM_ROW, ItemRow, Meta, encode

UNKNOWN: Final = ItemRow("", ())
"""An item that the catalog does not have"""


class Catalog:
    """Descriptions by item."""

    def __init__(self, store: OrderedStore, meta: Meta) -> None:
        self._store = store
        self._meta = meta

    def put(self, item: ItemUpsert | ItemDelete, batch: ViewBatch) -> None:
        """Describes an item, or forgets it."""
        key = id_key(ITEM, item.item_id)
        known = batch.get(key) is not None
        if isinstance(item, ItemUpsert):
            batch.put(key, encode(ItemRow(item.title, *DescribedItem.of(item))))
            self._meta.items += not known
        else:
            batch.delete(key)
            self._meta.items -= known

    def describe(self, item_ids: Iterable[str]) -> Mapping[str, ItemRow]:
        """The description of each of these items; UNKNOWN where there is none."""
        unique = list(dict.fromkeys(item_ids))
        values = self._store.get_many([id_key(ITEM, item_id) for item_id in unique])
        return {id_: UNKNOWN if value is None else ITEM_ROW(value) for id_, value in zip(unique, values, strict=True)}

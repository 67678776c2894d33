"""The item vocabulary: an index for each item id, with title and categories of the catalog.

Indices follow the order of `add`: processes that add ids in the order of the item register agree on them.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown
from models.errors import ItemCapacityError
from models.items.ragged_rows import RaggedRows
from models.text.encoder import TextEncoder


class ItemContentLike(Protocol):
    """Content vectors of items, as `ItemContent` computes them; a protocol, so that readers of ids need no torch."""

    @property
    def encoder(self) -> TextEncoder | None:
        """The encoder of titles and reviews, None where no text is read."""

    def describe(self, item: int, text: str, features: Sequence[float]) -> None:
        """Replace text and features of the item, which `rows` shows after the next `refresh`."""

    def review(self, item: NDArray[np.int64], vector: NDArray[np.float32]) -> None:
        """Add reviews [n] of items as text vectors [n, W]."""

    def take_reviewed(self) -> NDArray[np.int64]:
        """Items that were reviewed since the last call."""

    def refresh(self) -> int:
        """Bring the rows up to date; the version after it, 0 while no item has content."""

    def changed_since(self, version: int) -> tuple[int, NDArray[np.int64]]:
        """The present version, and the items whose rows changed since `version`."""

    def rows(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, content_width] of these items as of the last `refresh`."""

    def state(self, item: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
        """Copy of the mean reviews, of these items or all, for `restore`."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load mean reviews."""


class _Description(NamedTuple):
    """An item's catalog entry."""

    title: str = ""
    categories: tuple[int, ...] = ()
    text: str = ""
    features: Sequence[float] = ()
    active: bool = True


_FORGOTTEN = _Description(active=False)


class ItemVocabulary:
    """Items by index, 1 … len; index 0 is "no item". Any thread may call it.

    Descriptions of items that are not added yet wait for them: the `capacity` newest, and none once the vocabulary is
    full.
    """

    def __init__(self, capacity: int, content: ItemContentLike | None = None) -> None:
        """`content` gets text and features of the items; None where they are not needed."""
        self.capacity = capacity
        self.content = content
        self.version = 0
        """Changes when categories or activity of a known item change; not when an undescribed item is added."""
        self.categories: list[str] = []
        """Category names by index, in order of first appearance"""
        self._lock = threading.RLock()
        self._ids: list[str] = [""]
        self._index: dict[str, int] = {}
        self._titles: dict[int, str] = {}
        self._waiting: dict[str, _Description] = {}  # of items that are not added yet, oldest first
        self._category_index: dict[str, int] = {}
        self._item_categories = RaggedRows()
        self._inactive = np.zeros(FIRST_ROWS, dtype=np.bool_)

    def __len__(self) -> int:
        """Known items, without "no item"."""
        return len(self._ids) - 1

    def add(self, item_id: str) -> int:
        """Index of the item: the order of first `add`. ItemCapacityError beyond `capacity`."""
        with self._lock:
            known = self._index.get(item_id)
            if known is not None:
                return known
            if len(self) >= self.capacity:
                raise ItemCapacityError(self.capacity, item_id)
            index = len(self._ids)
            self._inactive = grown(self._inactive, index + 1)
            self._ids.append(item_id)
            self._index[item_id] = index
            if (description := self._waiting.pop(item_id, None)) is not None:
                self._apply(index, description)
            if len(self) >= self.capacity:
                self._waiting.clear()
            return index

    def index(self, item_id: str) -> int | None:
        """Index of the item, None where it is unknown."""
        return self._index.get(item_id)

    def id(self, index: int) -> str:
        """The item's id; empty for index 0."""
        return self._ids[index]

    def ids(self, n: int) -> list[str]:
        """Ids of the first n items, in order."""
        return self._ids[1 : n + 1]

    def describe(
        self, item_id: str, title: str, categories: Sequence[str], text: str = "", features: Sequence[float] = ()
    ) -> None:
        """Replace the item's catalog entry; the item need not be added yet. A forgotten one becomes active again."""
        with self._lock:
            indices = tuple(self._category(name) for name in dict.fromkeys(categories))
            content: tuple[str, Sequence[float]] = ("", ())
            if self.content is not None:
                content = "\n".join(filter(None, (title, ", ".join(categories), text))), features
            self._replace(item_id, _Description(title, indices, *content))

    def forget(self, item_id: str) -> None:
        """Drop title and categories; the item keeps its index and is not predicted until described again."""
        with self._lock:
            self._replace(item_id, _FORGOTTEN)

    def title(self, index: int) -> str:
        """Title of the item, empty where the catalog has none."""
        return self._titles.get(index, "")

    def active(self) -> NDArray[np.bool_]:
        """[n + 1] copy: which items may be predicted; never index 0."""
        with self._lock:
            active = ~self._inactive[: len(self._ids)]
        active[0] = False
        return active

    def category_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Non-zero entries of the item → category matrix (item, category, share); the shares of an item sum to one."""
        with self._lock:
            item, category, length = self._item_categories.entries(len(self._ids))
        share = 1.0 / length.clip(min=1)
        return item, category, share[item].astype(np.float32)

    def digest(self, n: int) -> str:
        """SHA-256 of the first n ids in order: equal in two registers exactly when those agree."""
        if not 0 <= n <= len(self):
            raise ValueError(f"{n} items asked for, {len(self)} known")
        digest = hashlib.sha256()
        for item_id in self._ids[1 : n + 1]:
            encoded = item_id.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(4, "little"))
            digest.update(encoded)
        return digest.hexdigest()

    def _category(self, name: str) -> int:
        index = self._category_index.get(name)
        if index is None:
            index = self._category_index[name] = len(self.categories)
            self.categories.append(name)
        return index

    def _replace(self, item_id: str, description: _Description) -> None:
        index = self._index.get(item_id)
        if index is not None:
            self._apply(index, description)
        elif len(self) < self.capacity:
            self._waiting.pop(item_id, None)
            self._waiting[item_id] = description
            if len(self._waiting) > self.capacity:
                del self._waiting[next(iter(self._waiting))]

    def _apply(self, index: int, description: _Description) -> None:
        if description.title:
            self._titles[index] = description.title
        else:
            self._titles.pop(index, None)
        self._item_categories.replace(index, description.categories)
        self._inactive[index] = not description.active
        if self.content is not None:
            self.content.describe(index, description.text, description.features)
        self.version += 1

"""The item vocabulary: a slot for each item id, with title and categories of the catalog.

The slot is the item's row in every table of the model, where it is called the item's index. What is stored names items
by their index in the register (register.py), which differs once an item has taken the slot of another one.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown
from models.errors import ItemCapacityError
from models.items.numeric_features import DescribedContent
from models.items.ragged_rows import RaggedRows
from models.items.register import ItemRegister
from models.items.slots import Registration
from models.text.encoder import TextEncoder


class ItemContentLike(Protocol):
    """Content vectors of items, as `ItemContent` computes them; a protocol, so that readers of ids need no torch."""

    @property
    def encoder(self) -> TextEncoder | None:
        """The encoder of titles and reviews, None where no text is read."""

    def numbers(self, features: Sequence[float], numbers: Mapping[str, float]) -> tuple[float, ...]:
        """What `describe` takes, of an item's feature vector and its named numbers."""

    def describe(self, item: int, text: str, numbers: Sequence[float]) -> None:
        """Replace text and `numbers` of the item, which `rows` shows after the next `refresh`."""

    def review(self, item: NDArray[np.int64], vector: NDArray[np.float32]) -> None:
        """Add reviews [n] of items as text vectors [n, W]."""

    def take_reviewed(self) -> NDArray[np.int64]:
        """Items that were reviewed since the last call, or lost their reviews."""

    def take(self, item: int) -> DescribedContent:
        """Remove the item's content, but return what `put` needs for its description."""

    def put(self, item: int, description: DescribedContent) -> None:
        """Describe the item as what `take` returned."""

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
    """An item's catalog entry; of items that have a slot, without text, numbers and content."""

    title: str = ""
    categories: tuple[int, ...] = ()
    text: str = ""
    numbers: Sequence[float] = ()
    active: bool = True
    protected: bool = False
    content: DescribedContent | None = None
    """Of an item that was evicted: instead of text and numbers"""


_FORGOTTEN = _Description(active=False)


class ItemVocabulary:
    """Items by slot, 1 … len; slot 0 is "no item". Any thread may call it.

    Descriptions of items that have no slot wait for them: the `capacity` newest.
    """

    def __init__(self, capacity: int, content: ItemContentLike | None = None) -> None:
        """`content` gets text and numbers of the items; None where they are not needed."""
        self.capacity = capacity
        self.content = content
        self.register = ItemRegister()
        self.version = 0
        """Changes when categories or activity of a known item change; not when an undescribed item is added."""
        self.categories: list[str] = []
        """Category names by index, in order of first appearance"""
        self._lock = self.register.lock
        self._descriptions: dict[int, _Description] = {}
        self._waiting: dict[str, _Description] = {}  # of items that have no slot, oldest first
        self._category_index: dict[str, int] = {}
        self._item_categories = RaggedRows()
        self._inactive, self._protected = np.zeros((2, FIRST_ROWS), dtype=np.bool_)

    def __len__(self) -> int:
        """Items that have a slot, without "no item"."""
        return len(self.register)

    def add(self, item_id: str) -> int:
        """Slot of the item, a new one at its first `add`. ItemCapacityError beyond `capacity`."""
        with self._lock:
            known = self.slot(item_id)
            if known is not None:
                return known
            if len(self) >= self.capacity:
                raise ItemCapacityError(self.capacity, item_id)
            self.apply(item_id, Registration())
            return len(self)

    def apply(self, item_id: str, registration: Registration) -> None:
        """Apply a record of the item register; to be called in the register's order. The id may have a slot already."""
        with self._lock:
            assigned = self.register.apply(item_id, registration)
            if assigned is None:
                return
            slot = assigned.slot
            self._inactive, self._protected = grown(self._inactive, slot + 1), grown(self._protected, slot + 1)
            if assigned.evicted is not None:
                self._clear(slot, assigned.evicted)
            if (description := self._waiting.pop(item_id, None)) is not None:
                self._apply(slot, description)

    def registrations(self, newcomers: int, spared: Collection[str] = ()) -> list[Registration]:
        """What to register each of so many newcomers with; fewer where not enough items can be evicted.

        Deleted items are evicted first, then those unseen for longest; protected ones and those of the ids `spared`
        never.
        """
        with self._lock:
            free = min(max(self.capacity - len(self), 0), newcomers)
            registrations = [Registration(self.capacity)] * free
            if free < newcomers:
                size = len(self) + 1
                is_spared = self._protected[:size].copy()
                is_spared[[0, *filter(None, map(self.slot, spared))]] = True
                candidates = self.register.candidates(newcomers - free, self._inactive[:size], is_spared)
                registrations += [Registration(self.capacity, indices) for indices in candidates]
            return registrations

    def slot(self, item_id: str) -> int | None:
        """Slot of the item, None where it has none."""
        return self.register.slot(item_id)

    def id(self, slot: int) -> str:
        """Id of the item that has the slot; empty for slot 0."""
        return self.register.ids[slot]

    def ids(self, n: int) -> list[str]:
        """Ids of the first n slots, in order."""
        return self.register.ids[1 : n + 1]

    def describe(
        self,
        item_id: str,
        title: str,
        categories: Sequence[str],
        text: str = "",
        features: Sequence[float] = (),
        protected: bool = False,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        """Replace the item's catalog entry; the item need not be added yet. A forgotten one becomes active again.

        `protected`: once it has a slot, it is never evicted. `numbers`: by name, such as its price.
        """
        with self._lock:
            indices = tuple(self._category(name) for name in dict.fromkeys(categories))
            content: tuple[str, Sequence[float]] = ("", ())
            if self.content is not None:
                described = "\n".join(filter(None, (title, ", ".join(categories), text)))
                content = described, self.content.numbers(features, numbers or {})
            self._replace(item_id, _Description(title, indices, *content, protected=protected))

    def forget(self, item_id: str) -> None:
        """Drop title and categories; the item is not predicted until described again, and the first to be evicted."""
        with self._lock:
            self._replace(item_id, _FORGOTTEN)

    def title(self, slot: int) -> str:
        """Title of the item, empty where the catalog has none."""
        return self._descriptions.get(slot, _FORGOTTEN).title

    def active(self) -> NDArray[np.bool_]:
        """[n + 1] copy: which items may be predicted; never index 0."""
        with self._lock:
            active = ~self._inactive[: len(self) + 1]
        active[0] = False
        return active

    def category_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Non-zero entries of the item → category matrix (item, category, share); the shares of an item sum to one."""
        with self._lock:
            item, category, length = self._item_categories.entries(len(self) + 1)
        share = 1.0 / length.clip(min=1)
        return item, category, share[item].astype(np.float32)

    def digest(self, n: int) -> str:
        """SHA-256 of the first n ids by slot: equal in two vocabularies exactly when those agree."""
        if not 0 <= n <= len(self):
            raise ValueError(f"{n} items asked for, {len(self)} known")
        digest = hashlib.sha256()
        for item_id in self.register.ids[1 : n + 1]:
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
        slot = self.slot(item_id)
        if slot is not None:
            self._apply(slot, description)
        else:
            self._wait(item_id, description)

    def _wait(self, item_id: str, description: _Description) -> None:
        self._waiting.pop(item_id, None)
        self._waiting[item_id] = description
        if len(self._waiting) > self.capacity:
            del self._waiting[next(iter(self._waiting))]

    def _apply(self, slot: int, description: _Description) -> None:
        self._descriptions[slot] = description._replace(text="", numbers=(), content=None)
        self._item_categories.replace(slot, description.categories)
        self._inactive[slot], self._protected[slot] = not description.active, description.protected
        if self.content is not None and description.content is not None:
            self.content.put(slot, description.content)
        elif self.content is not None:
            self.content.describe(slot, description.text, description.numbers)
        self.version += 1

    def _clear(self, slot: int, evicted: str) -> None:
        """Take from the slot what was known of the evicted item; its catalog entry waits for it to come back."""
        content = None if self.content is None else self.content.take(slot)
        if (description := self._descriptions.pop(slot, None)) is None:
            return
        self._wait(evicted, description._replace(content=content if description.active else None))
        self._item_categories.replace(slot, ())
        self._inactive[slot] = self._protected[slot] = False
        self.version += 1

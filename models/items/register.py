"""The item register as arrays: slots of indices and indices of slots, and when the items were seen last."""

import threading
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown
from models.errors import UnknownItemError
from models.items.eviction import eviction_candidates
from models.items.slots import Assigned, ItemSlots, Registration

_NO_SLOTS = np.zeros(0, np.int64)


class ItemRegister:
    """Which item has which slot. Any thread may call it. Memory: 4 bytes per registration, and those of the slots.

    Models know items by their slots, the rows of their tables; what is stored names them by their indices.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Of what else follows the register"""
        self._slots = ItemSlots()
        self._last_seen_ms = np.zeros(FIRST_ROWS, dtype=np.int64)  # by slot

    def __len__(self) -> int:
        """Slots in use."""
        return len(self._slots)

    @property
    def count(self) -> int:
        """Registrations that were read: the largest index. Who read as many has the same slots."""
        return self._slots.registered

    @property
    def has_evicted(self) -> bool:
        """Whether any item has lost its slot; until then indices are slots."""
        return self._slots.evicted > 0

    @property
    def ids(self) -> list[str]:
        """Ids by slot, not a copy; empty at 0."""
        return self._slots.ids

    def slot(self, item_id: str) -> int | None:
        """Slot of the item, None where it has none."""
        return self._slots.slot(item_id)

    def apply(self, item_id: str, registration: Registration) -> Assigned | None:
        """Apply a record of the register; None where that changes nothing."""
        with self.lock:
            assigned = self._slots.register(item_id, registration)
            if assigned is not None:
                self._last_seen_ms = grown(self._last_seen_ms, assigned.slot + 1)
                self._last_seen_ms[assigned.slot] = registration.time_ms
            return assigned

    def candidates(self, newcomers: int, first: NDArray[np.bool_], spared: NDArray[np.bool_]) -> list[list[int]]:
        """Indices of items to evict for each newcomer; fewer lists where not enough can be evicted.

        By slot: `first` are evicted before all others, `spared` never.
        """
        with self.lock:
            last_seen = np.where(first, -1, self._last_seen_ms[: len(first)])
            index = np.frombuffer(self._slots.index_of_slot, np.int32)
            return eviction_candidates(last_seen, index, spared, newcomers)

    def mark_seen(self, item_ids: Collection[str], time_ms: int) -> None:
        """These items are seen at this time; those that have no slot are left out."""
        slot = np.fromiter(filter(None, map(self._slots.slot, item_ids)), np.int64)
        self.put_last_seen(slot, np.full(len(slot), time_ms))

    def put_last_seen(self, slot: NDArray[np.int64], time_ms: NDArray[np.int64]) -> None:
        """These items [n] were seen at these times, or later where that is known."""
        with self.lock:
            self._last_seen_ms[slot] = np.maximum(self._last_seen_ms[slot], time_ms)

    def last_seen_ms(self, slot: NDArray[np.int64]) -> NDArray[np.int64]:
        """When these items were seen last; 0 where that is not known."""
        with self.lock:
            last_seen: NDArray[np.int64] = self._last_seen_ms[slot]
        return last_seen

    def slots(self, index: NDArray[Any]) -> NDArray[Any]:
        """Slots of items by their indices, of any shape; 0 for those that have none any more.

        UnknownItemError where one is not registered.
        """
        if not self.has_evicted:
            return index
        if (largest := int(index.max(initial=0))) > self.count:
            raise UnknownItemError(largest, self.count)
        with self.lock:
            slot = np.frombuffer(self._slots.slot_of_index, np.int32)[index]
            present = np.frombuffer(self._slots.index_of_slot, np.int32)[slot] == index
        return np.where(present, slot, 0).astype(index.dtype)

    def indices(self, slot: NDArray[Any]) -> NDArray[Any]:
        """Indices of items by their slots, of any shape."""
        if not self.has_evicted:
            return slot
        with self.lock:
            index: NDArray[np.int32] = np.frombuffer(self._slots.index_of_slot, np.int32)[slot]
        return index.astype(slot.dtype)

    def taken_over(self, since: int) -> tuple[int, NDArray[np.int64]]:
        """`count`, and the slots that changed hands after so many registrations; slots that were new may be among them.

        None before anything was evicted.
        """
        with self.lock:
            if not self.has_evicted or since >= self.count:
                return self.count, _NO_SLOTS
            return self.count, np.unique(np.array(self._slots.slot_of_index[since + 1 :], np.int64))

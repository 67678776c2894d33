"""Slots: which row of all tables belongs to which item, as the records of the item register decide.

An item's index is the number of its registration, for ever; its slot goes to a newcomer once all slots are taken. Both
follow from the order of the records alone, so that all who read the register agree. Imports no numpy, so that what
shows items starts fast.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple


class Registration(NamedTuple):
    """What the record of a newcomer says, besides its id."""

    capacity: int | None = None
    """Slots that its writer has; None: no item is evicted, as in records of earlier versions"""
    candidates: Sequence[int] = ()
    """Indices of items: where all slots are taken, the first of them that has one gives it to the newcomer"""
    time_ms: int = 0
    """When it was written: the item was seen then"""


class Assigned(NamedTuple):
    """What a registration led to."""

    slot: int
    evicted: str | None
    """Id of the item that had the slot before"""


class ItemSlots:
    """Index, slot and id of the items that have a slot; slots and indices begin at 1. Memory: 4 bytes per registration.

    Without evictions an item's slot is its index.
    """

    def __init__(self) -> None:
        self.ids: list[str] = [""]
        """By slot; empty at 0"""
        self.index_of_slot = array("i", [0])
        self.slot_of_index = array("i", [0])
        """The slot that each index was given; it has it still where `index_of_slot` says so"""
        self._slots: dict[str, int] = {}

    def __len__(self) -> int:
        """Slots in use, which is how many items have one."""
        return len(self.ids) - 1

    @property
    def registered(self) -> int:
        """Registrations so far: the largest index."""
        return len(self.slot_of_index) - 1

    @property
    def evicted(self) -> int:
        """How many items have lost their slots."""
        return self.registered - len(self)

    def slot(self, item_id: str) -> int | None:
        """The item's slot, None where it has none."""
        return self._slots.get(item_id)

    def register(self, item_id: str, registration: Registration) -> Assigned | None:
        """Apply a record of the register; None where the item has a slot, or all candidates have lost theirs."""
        if item_id in self._slots:
            return None
        evicted = None
        if registration.capacity is None or len(self) < registration.capacity:
            slot = len(self.ids)
            self.ids.append(item_id)
            self.index_of_slot.append(0)
        else:
            slot = next(filter(None, map(self._present_slot, registration.candidates)), 0)
            if not slot:
                return None
            evicted, self.ids[slot] = self.ids[slot], item_id
            del self._slots[evicted]
        self.slot_of_index.append(slot)
        self.index_of_slot[slot] = self.registered
        self._slots[item_id] = slot
        return Assigned(slot, evicted)

    def _present_slot(self, index: int) -> int:
        """Slot of the item with this index; 0 where it has none."""
        slot = self.slot_of_index[index] if 0 < index < len(self.slot_of_index) else 0
        return slot if slot and self.index_of_slot[slot] == index else 0

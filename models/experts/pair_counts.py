"""Counts of pairs of items in users' histories, by the first item and by the second."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.data.growable_array import FIRST_ROWS, grown
from models.data.new_events import PAIR_DISTANCE, NewEvents
from models.experts.cooccurrence import SuccessorTable

_TABLE_ARRAYS: Final = ("items", "counts", "totals")
_PACKED_ARRAYS: Final = ("used", *_TABLE_ARRAYS)


class PairCounts:
    """Two tables of pairs. For one thread."""

    def __init__(self, cells: int) -> None:
        """`cells`: successors and predecessors kept of each item."""
        self.tables = {"successors": SuccessorTable(cells), "predecessors": SuccessorTable(cells)}
        self.known = 0
        """Largest item index in any counted event"""
        self._changed = np.zeros(FIRST_ROWS, np.bool_)

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self._changed = grown(self._changed, rows)
        for table in self.tables.values():
            table.grow(rows)

    def make_room_for(self, item: NDArray[np.int64]) -> None:
        """Know these items."""
        self.known = max(self.known, int(item.max(initial=0)))
        self.grow(self.known + 1)

    def add(self, events: NewEvents) -> None:
        """Count each pair of items in a user's history with weight 1 / distance."""
        self.make_room_for(events.item)
        first, second, count = _pairs_of(events)
        self._changed[first] = self._changed[second] = True
        self.tables["successors"].add(first, second, count)
        self.tables["predecessors"].add(second, first, count)

    def forget(self, item: NDArray[np.int64]) -> None:
        """Drop all pairs with these items, which are known."""
        self._changed[item] = True
        for table in self.tables.values():
            self._changed[table.forget(item, self.known + 1)] = True

    def take_changed(self) -> NDArray[np.int64]:
        """Items of the pairs that were counted since the last call."""
        changed = np.flatnonzero(self._changed)
        self._changed[changed] = False
        return changed

    def rows(self, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Copy of the counts of these items, for which there is room."""
        return {f"{name}.{key}": rows for name, table in self.tables.items() for key, rows in table.rows(item).items()}

    def put_rows(self, item: NDArray[np.int64], rows: Mapping[str, NDArray[Any]], newer: Sequence[NewEvents]) -> None:
        """Replace the counts of these items by those, packed, of who has not counted the `newer` events yet.

        ValueError where they were made with another number of cells.
        """
        self.make_room_for(item)
        for name in self.tables:
            self.make_room_for(rows[f"{name}.items"])
        for name, table in self.tables.items():
            table.put_rows(item, {key: rows[f"{name}.{key}"] for key in _PACKED_ARRAYS})
        for events in newer:
            self.make_room_for(events.item)
            replaced = np.zeros(len(self._changed), np.bool_)
            replaced[item] = True
            first, second, count = _pairs_of(events)
            for name, one, other in (("successors", first, second), ("predecessors", second, first)):
                again = replaced[one]
                self.tables[name].add(one[again], other[again], count[again])

    def state(self, rows: int) -> dict[str, NDArray[Any]]:
        """Copy of the counts of items below `rows`, for which there is room."""
        tables = self.tables.items()
        return {f"{name}.{key}": array for name, table in tables for key, array in table.state(rows).items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it was made with another number of cells."""
        for name, table in self.tables.items():
            table.restore({key: state[f"{name}.{key}"] for key in _TABLE_ARRAYS})


def _pairs_of(events: NewEvents) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Pairs (earlier item, item) of the users' histories, each once, and the sums of their weights, 1 / distance."""
    earlier, item = events.earlier, events.item
    weight = events.weight[:, None] / np.arange(1, PAIR_DISTANCE + 1)  # [n, PAIR_DISTANCE]
    valid = (earlier > 0) & (item > 0)[:, None]
    pair, inverse = np.unique((earlier << 32 | item[:, None])[valid], return_inverse=True)
    return pair >> 32, pair & 0xFFFFFFFF, np.bincount(inverse, weight[valid], len(pair)).astype(np.float32)

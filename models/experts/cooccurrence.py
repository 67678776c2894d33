"""Counts of item pairs: what follows each item how often, in a table of fixed width per item.

The cells of an item are set-associative, as in a processor's cache: a successor may lie in any cell of one set, which
its index modulo the number of sets chooses; in a full set it replaces the smallest count. So looking up a pair reads
one set, and no item ever takes more cells.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.growable_array import FIRST_ROWS, grown
from models.experts.device_copy import DeviceCopy
from models.transfers import is_host, to_device

WAYS: Final = 16
"""Cells of a set: successors are kept without loss as long as no set has more than these"""


_MAX_TOTAL: Final = 65_536.0
"""Of an item's counts: at 2^21, float32 would lose the smallest, .1"""


with warnings.catch_warnings():
    # torch warns once per process that sparse tensors are in beta; this is that time.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))


class SuccessorTable:
    """Counts of ordered pairs of items: for each item, those that came with it. Memory: 8 bytes per cell and item."""

    def __init__(self, cells: int) -> None:
        if cells < WAYS or cells % WAYS:
            raise ValueError(f"cells must be a multiple of {WAYS}")
        self._sets = cells // WAYS
        self._items = np.zeros((FIRST_ROWS, self._sets, WAYS), dtype=np.int32)
        self._counts = np.zeros((FIRST_ROWS, self._sets, WAYS), dtype=np.float32)
        self._totals = np.zeros(FIRST_ROWS, dtype=np.float32)
        self._on_device = DeviceCopy()  # of items and counts, where predictions are made on another device

    @property
    def cells(self) -> int:
        """Successors kept of each item, at most."""
        return self._sets * WAYS

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self._items, self._counts = grown(self._items, rows), grown(self._counts, rows)
        self._totals = grown(self._totals, rows)

    def add(self, item: NDArray[np.int64], successor: NDArray[np.int64], count: NDArray[np.float32]) -> None:
        """Count pairs of items from 1 on, no pair twice."""
        if not len(item):
            return
        self.grow(int(max(item.max(), successor.max())) + 1)
        np.add.at(self._totals, item, count)
        set_index = item * self._sets + successor % self._sets
        items, counts = self._items.reshape(-1, WAYS), self._counts.reshape(-1, WAYS)
        match = items[set_index] == successor[:, None]  # [n, WAYS]
        kept, way = match.any(1), match.argmax(1)
        counts[set_index[kept], way[kept]] += count[kept]
        self._on_device.mark_changed(set_index[kept] * WAYS + way[kept])
        self._insert(set_index[~kept], successor[~kept], count[~kept])
        self._fade(item)

    def forget(self, item: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
        """Drop these items below `rows` [n], as successors too; the items that have lost one."""
        gone = np.zeros(len(self._totals), np.bool_)
        gone[item] = True
        self._items[item], self._counts[item], self._totals[item] = 0, 0, 0
        self._mark_rows(item)
        cell = self._cells_with(gone, rows)
        items, counts, loser = self._items.reshape(-1), self._counts.reshape(-1), cell // self.cells
        np.subtract.at(self._totals, loser, counts[cell])
        items[cell], counts[cell] = 0, 0
        self._on_device.mark_changed(cell)
        lost = np.unique(loser)
        has_pairs = self._items[lost].any((1, 2))
        self._totals[lost] = self._totals[lost].clip(min=0) * has_pairs  # nothing is left by rounding
        return lost

    def totals(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """All that was counted for each item, replaced successors included."""
        totals: NDArray[np.float32] = self._totals[item]
        return totals

    def counts(self, item: NDArray[np.int64], successor: NDArray[np.int64]) -> NDArray[np.float32]:
        """Kept count of each pair; arrays of one shape, 0 where the pair is not kept."""
        set_index = item * self._sets + successor % self._sets
        way = (self._items.reshape(-1, WAYS)[set_index] == successor[..., None]).argmax(-1)
        cell = set_index * WAYS + way
        kept = (self._items.ravel()[cell] == successor) & (successor > 0)
        return np.where(kept, self._counts.ravel()[cell], np.float32(0))

    def successors(self, item: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """[P, J, cells] the successors of items [P, J], and their counts; both 0 in a cell that is empty.

        A device that is not the host gets a copy of the table, so that few bytes cross for a prediction.
        """
        # An index without counts may lie beyond the table.
        (row,) = to_device([np.where(item < len(self._totals), item, 0).ravel()], device)
        shape, arrays = (*item.shape, self.cells), (self._items, self._counts)
        tables = to_device(arrays, device) if is_host(device) else self._on_device.refresh(arrays, device)
        items, counts = (table.flatten(1).index_select(0, row) for table in tables)
        return items.view(shape), counts.view(shape)

    def matrix(self, rows: int) -> Tensor:
        """[rows, rows] counts of items and successors below `rows`, as all of them are, as a sparse matrix.

        It shares the table's memory: only for use before anything else is counted.
        """
        self.grow(rows)
        shape = (rows, self.cells)
        return sparse_rows(self._items[:rows].reshape(shape), self._counts[:rows].reshape(shape), rows)

    def rows(self, item: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Copy of the cells of these items, for which there is room."""
        return {"items": self._items[item], "counts": self._counts[item], "totals": self._totals[item]}

    def put_rows(self, item: NDArray[np.int64], rows: Mapping[str, NDArray[Any]]) -> None:
        """Replace the cells of these items [m], for which there is room, by the packed ones: cost by the used ones.

        `used` [m, cells / 8] has a bit for each cell, `items` and `counts` [used] what these hold, `totals` [m].
        ValueError where the number of cells is another one.
        """
        used = rows["used"]
        if used.shape[1] * 8 != self.cells:
            raise ValueError(f"{used.shape[1] * 8} successors per item there, {self.cells} here")
        cell = np.flatnonzero(np.unpackbits(used).view(np.bool_))  # of booleans: half the time
        if not len(cell) == len(rows["items"]) == len(rows["counts"]):
            raise ValueError(f"{len(cell)} successors are marked, and {len(rows['items'])} are there")
        in_row = np.bitwise_count(used).sum(1, dtype=np.int64)
        cell += np.repeat((item - np.arange(len(item))) * self.cells, in_row)
        self._items[item], self._counts[item], self._totals[item] = 0, 0, rows["totals"]
        self._items.reshape(-1)[cell], self._counts.reshape(-1)[cell] = rows["items"], rows["counts"]
        self._mark_rows(item)

    def state(self, rows: int) -> dict[str, NDArray[Any]]:
        """Copy of the cells of items below `rows`, which is beyond all that were counted and has room."""
        return {
            "items": self._items[:rows].copy(),
            "counts": self._counts[:rows].copy(),
            "totals": self._totals[:rows].copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has another number of cells."""
        self._check_cells(state)
        rows = max(len(state["totals"]), FIRST_ROWS)
        self._on_device.clear()
        self._items = grown(np.array(state["items"]), rows)
        self._counts = grown(np.array(state["counts"]), rows)
        self._totals = grown(np.array(state["totals"]), rows)

    def _cells_with(self, gone: NDArray[np.bool_], rows: int) -> NDArray[np.int64]:
        """Cells of the items below `rows` that have one of the `gone` as successor; index 0 is not among these.

        Reads 64 bytes of each item for each set that these may lie in.
        """
        table = torch.from_numpy(gone)  # looking up by torch takes a quarter of numpy's time
        sets = np.unique(np.flatnonzero(gone) % self._sets).tolist()
        if len(sets) > self._sets // 4:
            return np.flatnonzero(table.index_select(0, torch.from_numpy(self._items[:rows].reshape(-1))))
        cells = [np.zeros(0, np.int64)]
        for number in sets:
            items = torch.from_numpy(self._items[:rows, number].reshape(-1))
            cell = np.flatnonzero(table.index_select(0, items))
            cells.append((cell // WAYS * self._sets + number) * WAYS + cell % WAYS)
        return np.concatenate(cells)

    def _fade(self, item: NDArray[np.int64]) -> None:
        """Halve the counts of those of these items whose total has become too large to add to."""
        large = item[self._totals[item] > _MAX_TOTAL]
        if len(large):
            large = np.unique(large)
            self._counts[large] /= 2
            self._totals[large] /= 2
            self._mark_rows(large)

    def _mark_rows(self, item: NDArray[np.int64]) -> None:
        if self._on_device.exists:
            self._on_device.mark_changed((item[:, None] * self.cells + np.arange(self.cells)).ravel())

    def _check_cells(self, state: Mapping[str, NDArray[Any]]) -> None:
        if state["items"].shape[1:] != self._items.shape[1:]:
            raise ValueError(f"{state['items'][0].size} successors per item there, {self._items[0].size} here")

    def _insert(self, set_index: NDArray[np.int64], successor: NDArray[np.int64], count: NDArray[np.float32]) -> None:
        """Put new pairs into the cells with the smallest counts of their sets; of more than WAYS the largest stay."""
        # In rounds, smallest first: in each, a set takes one of its pairs, the largest in the last.
        order = np.lexsort((successor, count, set_index))
        set_index, successor, count = set_index[order], successor[order], count[order]
        items, counts = self._items.reshape(-1, WAYS), self._counts.reshape(-1, WAYS)
        end = np.searchsorted(set_index, set_index, side="right")
        pair_round = WAYS - (end - np.arange(len(set_index)))
        for number in range(max(int(pair_round.min(initial=WAYS)), 0), WAYS):
            pair = np.flatnonzero(pair_round == number)
            way = counts[set_index[pair]].argmin(1)
            items[set_index[pair], way] = successor[pair]
            counts[set_index[pair], way] = count[pair]
            self._on_device.mark_changed(set_index[pair] * WAYS + way)


def sparse_rows(column: NDArray[np.int32], value: NDArray[np.float32], columns: int) -> Tensor:
    """Sparse CSR matrix [rows, columns] with m entries in each row, [rows, m]; it shares the arrays' memory."""
    rows, width = column.shape
    row_ends = torch.arange(0, rows * width + 1, width, dtype=torch.int32)
    column, value = np.ascontiguousarray(column).ravel(), np.ascontiguousarray(value).ravel()
    return torch.sparse_csr_tensor(
        row_ends, torch.from_numpy(column), torch.from_numpy(value), (rows, columns), check_invariants=False
    )

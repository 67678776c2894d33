"""What follows each item how often, in a table of fixed width per item.

An item's successors lie in sets of a few cells, by their index modulo the number of sets; a newcomer to a full set
takes the place of the smallest count there. So finding a pair reads one set, and no item ever takes more cells.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WAYS: Final = 16
"""Cells of a set: all successors are kept exactly as long as no set has more than these"""

with warnings.catch_warnings():
    # torch says once per process that sparse tensors may change; this is that time.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))

_HAS_MKL = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]  # torch has no types for it
"""Without MKL, torch does not multiply sparse matrices into a dense one; then entries are added one by one"""


class SuccessorTable:
    """Counts of ordered pairs of items: for each item, those that came with it. Memory: 8 bytes per cell and item."""

    def __init__(self, cells: int) -> None:
        if cells < WAYS or cells % WAYS:
            raise ValueError(f"cells must be a multiple of {WAYS}")
        self._sets = cells // WAYS
        self._items = np.zeros((1024, self._sets, WAYS), dtype=np.int32)
        self._counts = np.zeros((1024, self._sets, WAYS), dtype=np.float32)
        self._totals = np.zeros(1024, dtype=np.float32)
        self._known = 1  # every counted index is below
        self._matrix: Tensor | None = None  # the cells of all items below its length; shares their memory

    @property
    def cells(self) -> int:
        """Successors kept of each item, at most."""
        return self._sets * WAYS

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        while len(self._items) < rows:
            self._matrix = None
            self._items = np.concatenate([self._items, np.zeros_like(self._items)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
            self._totals = np.concatenate([self._totals, np.zeros_like(self._totals)])

    def add(self, item: NDArray[np.int64], successor: NDArray[np.int64], count: NDArray[np.float32]) -> None:
        """Count pairs of items from 1 on, no pair twice."""
        if not len(item):
            return
        self._known = max(self._known, int(max(item.max(), successor.max())) + 1)
        self.grow(self._known)
        np.add.at(self._totals, item, count)
        group = item * self._sets + successor % self._sets
        items, counts = self._items.reshape(-1, WAYS), self._counts.reshape(-1, WAYS)
        found = items[group] == successor[:, None]  # [n, WAYS]
        known, way = found.any(1), found.argmax(1)
        counts[group[known], way[known]] += count[known]
        self._admit(group[~known], successor[~known], count[~known])

    def totals(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """All that was ever counted for each item, what made place included."""
        totals: NDArray[np.float32] = self._totals[item]
        return totals

    def counts(self, item: NDArray[np.int64], successor: NDArray[np.int64]) -> NDArray[np.float32]:
        """Kept count of each pair; arrays of one shape, 0 where the pair is not kept."""
        group = item * self._sets + successor % self._sets
        way = (self._items.reshape(-1, WAYS)[group] == successor[..., None]).argmax(-1)
        cell = group * WAYS + way
        kept = (self._items.ravel()[cell] == successor) & (successor > 0)
        return np.where(kept, self._counts.ravel()[cell], np.float32(0))

    def weighted(self, item: NDArray[np.int64], weight: NDArray[np.float32], out: Tensor) -> None:
        """Fill `out` [P, rows] with Σ_j weight[p, j] · (counts of item[p, j]'s successors); no index is beyond it."""
        if not item.size:
            out.zero_()
            return
        rows = out.shape[1]
        if self._matrix is None or len(self._matrix) != rows:
            self.grow(rows)
            cells = self._sets * WAYS
            self._matrix = _sparse(
                self._items[:rows].reshape(rows, cells), self._counts[:rows].reshape(rows, cells), rows
            )
        if _HAS_MKL:
            torch.addmm(out, _sparse(item.astype(np.int32), weight, rows), self._matrix, beta=0, out=out)
        else:
            picked = torch.from_numpy(item)
            size = (rows, self._sets * WAYS)
            each = self._matrix.values().view(size)[picked] * torch.from_numpy(weight).unsqueeze(2)  # [P, J, M]
            column = self._matrix.col_indices().view(size)[picked].long()  # [P, J, M]
            out.zero_().scatter_add_(1, column.flatten(1), each.flatten(1))

    def successors(self, item: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """[P, J, cells] the successors of items [P, J], and their counts; both 0 in a cell that is empty."""
        # An index without counts may lie beyond the table.
        at = torch.from_numpy(np.where(item < len(self._totals), item, 0)).flatten()
        size = (*item.shape, self.cells)
        items, counts = (torch.from_numpy(each).flatten(1).index_select(0, at) for each in (self._items, self._counts))
        return items.view(size), counts.view(size)

    def state(self, rows: int) -> dict[str, NDArray[Any]]:
        """Copy of the cells of items below `rows`, which is beyond all that were counted and has room."""
        return {
            "items": self._items[:rows].copy(),
            "counts": self._counts[:rows].copy(),
            "totals": self._totals[:rows].copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it has another number of cells."""
        rows = len(state["totals"])
        if state["items"].shape[1:] != self._items.shape[1:]:
            raise ValueError(f"{state['items'][0].size} successors per item there, {self._items[0].size} here")
        self._items = np.zeros((1024, self._sets, WAYS), dtype=np.int32)
        self._counts = np.zeros((1024, self._sets, WAYS), dtype=np.float32)
        self._totals = np.zeros(1024, dtype=np.float32)
        self._matrix = None
        self.grow(rows)
        self._known = max(rows, 1)
        self._items[:rows], self._counts[:rows], self._totals[:rows] = state["items"], state["counts"], state["totals"]

    def _admit(self, group: NDArray[np.int64], successor: NDArray[np.int64], count: NDArray[np.float32]) -> None:
        """Newcomers take the smallest cell of their set, lightest first; of more than WAYS the lightest do not."""
        order = np.lexsort((successor, count, group))
        group, successor, count = group[order], successor[order], count[order]
        items, counts = self._items.reshape(-1, WAYS), self._counts.reshape(-1, WAYS)
        end = np.searchsorted(group, group, side="right")
        turn = WAYS - (end - np.arange(len(group)))  # the heaviest of its set has the last turn
        for now in range(max(int(turn.min(initial=WAYS)), 0), WAYS):
            mine = np.flatnonzero(turn == now)
            way = counts[group[mine]].argmin(1)
            items[group[mine], way] = successor[mine]
            counts[group[mine], way] = count[mine]


def _sparse(column: NDArray[np.int32], value: NDArray[np.float32], columns: int) -> Tensor:
    """Sparse matrix [rows, columns] with the same number of entries in each row; no copy is made."""
    rows, width = column.shape
    ends = torch.arange(0, rows * width + 1, width, dtype=torch.int32)
    column, value = np.ascontiguousarray(column).ravel(), np.ascontiguousarray(value).ravel()
    return torch.sparse_csr_tensor(
        ends, torch.from_numpy(column), torch.from_numpy(value), (rows, columns), check_invariants=False
    )

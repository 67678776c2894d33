"""Counted pairs of items as a part of a release: used cells alone, as most items have few pairs.

Of m items and a table, `used` [m, cells / 8] has a bit for each cell, `items` and `counts` [used] what these hold.
"""

from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.items.register import ItemRegister
from models.releases.part_arrays import ITEM, Arrays, block_rows, dump

REGISTERED: Final = "registered"
"""[m] registrations of items that each row follows: pairs are released more rarely than all else"""

_TABLES: Final = ("successors", "predecessors")


def pack_pairs(pairs: Arrays) -> dict[str, NDArray[Any]]:
    """`StreamCounts.pairs` of m items, and their REGISTERED, packed."""
    packed: dict[str, NDArray[Any]] = {}
    for table in _TABLES:
        if f"{table}.items" not in pairs:  # without experts
            continue
        items, counts = pairs[f"{table}.items"], pairs[f"{table}.counts"]  # [m, sets, WAYS] both
        used = items > 0
        packed[f"{table}.used"] = np.packbits(used.reshape(len(used), prod(used.shape[1:])), axis=1)
        packed[f"{table}.items"], packed[f"{table}.counts"] = items[used], counts[used]
        packed[f"{table}.totals"] = pairs[f"{table}.totals"]
    return packed | {REGISTERED: pairs[REGISTERED]}


def dump_pairs(prefix: str, item: NDArray[np.int64], pairs: Arrays) -> dict[str, bytes]:
    """A part for each block of the items [m], rising, with their packed pairs."""
    ends = {table: np.cumsum(_used_cells(pairs[f"{table}.used"])) for table in _TABLES if len(item)}
    parts = {}
    for block, rows in block_rows(item):
        arrays = {ITEM: item[rows], REGISTERED: pairs[REGISTERED][rows]}
        for table in _TABLES:
            cells = slice(ends[table][rows.start - 1] if rows.start else 0, ends[table][rows.stop - 1])
            arrays |= {f"{table}.{name}": pairs[f"{table}.{name}"][rows] for name in ("used", "totals")}
            arrays |= {f"{table}.{name}": pairs[f"{table}.{name}"][cells] for name in ("items", "counts")}
        parts[f"{prefix}{block}"] = dump(arrays)
    return parts


def present_pairs(item: NDArray[np.int64], pairs: Arrays, register: ItemRegister) -> dict[str, NDArray[Any]]:
    """The packed pairs of these items [m] without those of items that have lost their slots; rows of such are empty."""
    registered = pairs[REGISTERED]
    row_gone = register.indices(item) > registered
    present = dict(pairs)
    for table in _TABLES:
        used, items, counts = (pairs[f"{table}.{name}"] for name in ("used", "items", "counts"))
        row = np.repeat(np.arange(len(item)), _used_cells(used))  # [used]
        gone = row_gone[row] | (register.indices(items) > registered[row])
        bits = np.unpackbits(used, axis=1)
        bits.reshape(-1)[np.flatnonzero(bits)[gone]] = 0
        lost = np.bincount(row[gone], counts[gone], len(item)).astype(np.float32)
        present[f"{table}.used"] = np.packbits(bits, axis=1)
        present[f"{table}.items"], present[f"{table}.counts"] = items[~gone], counts[~gone]
        present[f"{table}.totals"] = (pairs[f"{table}.totals"] - lost).clip(min=0) * bits.any(1)
    return present


def _used_cells(used: NDArray[np.uint8]) -> NDArray[np.int64]:
    """[m] how many cells of each row are used."""
    cells: NDArray[np.int64] = np.bitwise_count(used).sum(1, dtype=np.int64)
    return cells

"""Counted pairs of a block of items as a part of a release: used cells alone, as most items have few pairs."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.experts.cooccurrence import WAYS
from models.items.register import ItemRegister
from models.releases.part_arrays import Arrays

REGISTERED: Final = "registered"
"""[m] registrations of items that each row follows: pairs are released more rarely than all else"""

_TABLES: Final = ("successors", "predecessors")


def present_pairs(item: NDArray[np.int64], pairs: Arrays, register: ItemRegister) -> dict[str, NDArray[Any]]:
    """The pairs of these items [m] without those of items that have lost their slots since; rows of such are empty."""
    registered = pairs[REGISTERED]
    row_gone = (register.indices(item) > registered)[:, None, None]
    present = dict(pairs)
    for table in _TABLES:
        items, counts = pairs[f"{table}.items"], pairs[f"{table}.counts"]  # [m, sets, WAYS] both
        gone = row_gone | (register.indices(items) > registered[:, None, None])
        left = np.where(gone, 0, items)
        lost = np.where(gone, counts, 0).sum((1, 2))
        present[f"{table}.items"], present[f"{table}.counts"] = left, np.where(gone, 0, counts)
        present[f"{table}.totals"] = (pairs[f"{table}.totals"] - lost).clip(min=0) * left.any((1, 2))
    return present


def pack_pairs(pairs: Arrays) -> dict[str, NDArray[Any]]:
    """Of `StreamCounts.pairs` of m items, a bit for each cell [m, bytes], and what the used ones hold [used]."""
    packed: dict[str, NDArray[Any]] = {}
    for table in _TABLES:
        items, counts = pairs[f"{table}.items"], pairs[f"{table}.counts"]
        used = items > 0
        packed[f"{table}.used"] = np.packbits(used.reshape(len(used), -1), axis=1)
        packed[f"{table}.items"], packed[f"{table}.counts"] = items[used], counts[used]
        packed[f"{table}.totals"] = pairs[f"{table}.totals"]
    return packed | {REGISTERED: pairs[REGISTERED]}


def unpack_pairs(packed: Arrays) -> dict[str, NDArray[Any]]:
    """`StreamCounts.pairs` again. ValueError where the numbers of cells differ."""
    pairs: dict[str, NDArray[Any]] = {}
    for table in _TABLES:
        bits = np.unpackbits(packed[f"{table}.used"], axis=1)
        used = bits.astype(np.bool_).reshape(len(bits), -1, WAYS)
        for name, kind in (("items", np.int32), ("counts", np.float32)):
            cells = np.zeros(used.shape, kind)
            cells[used] = packed[f"{table}.{name}"]
            pairs[f"{table}.{name}"] = cells
        pairs[f"{table}.totals"] = packed[f"{table}.totals"]
    return pairs | {REGISTERED: packed[REGISTERED]}

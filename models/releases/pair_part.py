"""Counted pairs of a block of items as a part of a release: used cells alone, as most items have few pairs."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.experts.cooccurrence import WAYS
from models.releases.part_arrays import Arrays

_TABLES: Final = ("successors", "predecessors")


def pack_pairs(pairs: Arrays) -> dict[str, NDArray[Any]]:
    """Of `StreamCounts.pairs` of m items, a bit for each cell [m, bytes], and what the used ones hold [used]."""
    packed: dict[str, NDArray[Any]] = {}
    for table in _TABLES:
        items, counts = pairs[f"{table}.items"], pairs[f"{table}.counts"]
        used = items > 0
        packed[f"{table}.used"] = np.packbits(used.reshape(len(used), -1), axis=1)
        packed[f"{table}.items"], packed[f"{table}.counts"] = items[used], counts[used]
        packed[f"{table}.totals"] = pairs[f"{table}.totals"]
    return packed


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
    return pairs

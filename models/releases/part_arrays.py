"""Arrays of a release as bytes, and by blocks of items."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.errors import WeightsError

BLOCK_ITEMS: Final = 128

_HALF_EXPONENT: Final = np.uint16(0x7C00)

ITEM: Final = "item"
"""In a block: its items"""

Arrays = Mapping[str, NDArray[Any]]


def in_blocks(item: NDArray[np.int64], items: int) -> NDArray[np.int64]:
    """All up to item `items` in the blocks of these; 0, "no item", has an embedding, too."""
    blocks = np.unique(item // BLOCK_ITEMS)
    all_items = (blocks[:, None] * BLOCK_ITEMS + np.arange(BLOCK_ITEMS)).ravel()
    return all_items[all_items <= items]


def block_rows(item: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Each block of the items [n], rising, and where they are."""
    starts = np.flatnonzero(np.diff(item // BLOCK_ITEMS, prepend=-1)).tolist()
    for low, high in pairwise([*starts, len(item)]):
        yield int(item[low]) // BLOCK_ITEMS, slice(low, high)


def dump_blocks(prefix: str, item: NDArray[np.int64], arrays: Arrays) -> dict[str, bytes]:
    """A part for each block of the items [n], rising, with its items of the arrays [n, ...]."""
    return {
        f"{prefix}{block}": dump({ITEM: item[rows], **{name: array[rows] for name, array in arrays.items()}})
        for block, rows in block_rows(item)
    }


def join_blocks(arrays: Mapping[str, Arrays], prefix: str) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Items of all blocks, in order, and their arrays, one block's after the other's."""
    named = {int(name.removeprefix(prefix)): block for name, block in arrays.items() if name.startswith(prefix)}
    if not named:
        return np.zeros(0, np.int64), {}
    blocks = [named[number] for number in sorted(named)]
    joined = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return joined.pop(ITEM), joined


def dump(arrays: Arrays) -> bytes:
    """The arrays in safetensors format."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def load_part(name: str, part: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a part. WeightsError where it is damaged or not finite."""
    try:
        arrays: dict[str, NDArray[Any]] = load(part)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"part {name} of a release is damaged ({error})") from error
    if not all(_is_finite(array) for array in arrays.values() if array.dtype.kind == "f"):
        raise WeightsError(f"part {name} of a release is not finite")
    return arrays


def _is_finite(array: NDArray[np.floating]) -> bool:
    if array.dtype == np.float16:  # by its exponent: np.isfinite takes ten times as long here
        return bool((array.view(np.uint16) & _HALF_EXPONENT).max(initial=0) < _HALF_EXPONENT)
    return bool(np.isfinite(array).all())

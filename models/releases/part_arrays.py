"""Arrays of a release as bytes, and by blocks of items."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.errors import WeightsError

BLOCK_ITEMS: Final = 128

_ITEM = "item"

Arrays = Mapping[str, NDArray[Any]]


def in_blocks(item: NDArray[np.int64], items: int) -> NDArray[np.int64]:
    """All up to item `items` in the blocks of these; 0, "no item", has an embedding, too."""
    blocks = np.unique(item // BLOCK_ITEMS)
    all_items = (blocks[:, None] * BLOCK_ITEMS + np.arange(BLOCK_ITEMS)).ravel()
    return all_items[all_items <= items]


def dump_blocks(
    prefix: str, item: NDArray[np.int64], arrays: Arrays, encode: Callable[[Arrays], Arrays] = dict
) -> dict[str, bytes]:
    """A part for each block of the items [n], rising, with its items of the arrays [n, ...], encoded."""
    parts = {}
    starts = np.flatnonzero(np.diff(item // BLOCK_ITEMS, prepend=-1)).tolist()
    for low, high in pairwise([*starts, len(item)]):
        rows = slice(low, high)
        block = {name: array[rows] for name, array in arrays.items()}
        parts[f"{prefix}{item[low] // BLOCK_ITEMS}"] = dump({_ITEM: item[rows], **encode(block)})
    return parts


def join_blocks(
    arrays: Mapping[str, Arrays], prefix: str, decode: Callable[[Arrays], Arrays] = dict
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Items of all blocks, in order, and their arrays, decoded."""
    named = {int(name.removeprefix(prefix)): block for name, block in arrays.items() if name.startswith(prefix)}
    if not named:
        return np.zeros(0, np.int64), {}
    blocks = [named[number] for number in sorted(named)]
    item = np.concatenate([block[_ITEM] for block in blocks])
    decoded = [decode({name: array for name, array in block.items() if name != _ITEM}) for block in blocks]
    return item, {name: np.concatenate([block[name] for block in decoded]) for name in decoded[0]}


def dump(arrays: Arrays) -> bytes:
    """The arrays in safetensors format."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def load_part(name: str, part: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a part. WeightsError where it is damaged or not finite."""
    try:
        arrays: dict[str, NDArray[Any]] = load(part)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"part {name} of a release is damaged ({error})") from error
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise WeightsError(f"part {name} of a release is not finite")
    return arrays

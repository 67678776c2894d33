"""A release of one model: what changed in its weights and counts since the one before, as named parts of bytes.

Items are in blocks of 128, so that the newest part of each name, of all releases together, is the complete model.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.errors import WeightsError
from models.inference.predictions import ModelVersion

BLOCK_ITEMS: Final = 128

_SHARED, _GATE, _ITEMS, _COUNTS = "shared", "gate", "items/", "counts/"
_ITEM = "item"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release is of."""

    lineage: int
    version: int
    """Of the weights (inference/predictions.py ModelVersion)"""
    counted_events: int
    """Events that the trainer had counted when it last released counts: popularity ages by these"""
    counted_with_item: int
    """Those of them that have an item"""

    @property
    def model_version(self) -> ModelVersion:
        """Lineage and version."""
        return ModelVersion(self.lineage, self.version)

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(manifest: bytes) -> "Manifest":
        """From its JSON. WeightsError where it is none."""
        try:
            return Manifest(**json.loads(manifest))
        except (ValueError, TypeError) as error:
            raise WeightsError(f"a release's manifest is damaged ({error})") from error


@dataclass(frozen=True, slots=True)
class Release:
    """Weights and counts that changed."""

    manifest: Manifest
    shared: Arrays
    """All weights that items share; empty where none changed"""
    item: NDArray[np.int64]
    """[n] items, rising, whose embeddings are here"""
    embeddings: Arrays
    """`weight` [n, D] E', `bias` [n]"""
    counted: NDArray[np.int64]
    """[m] items, rising, whose counts are here"""
    counts: Arrays
    """[m, ...] or, of popularity, [L, m]"""
    gate: Arrays
    """State of the experts' gate; empty where no counts are here"""

    def parts(self) -> dict[str, bytes]:
        """The parts by name."""
        parts = {_SHARED: _dump(self.shared)} if self.shared else {}
        if self.gate:
            parts[_GATE] = _dump(self.gate)
        parts |= _blocks(_ITEMS, self.item, self.embeddings)
        return parts | _blocks(_COUNTS, self.counted, self.counts)

    @staticmethod
    def of(parts: Mapping[str, bytes], manifest: Manifest) -> "Release":
        """The release from its parts. WeightsError where they are damaged or not finite."""
        arrays = {name: _load(name, part) for name, part in parts.items()}
        embeddings = _joined(arrays, _ITEMS) or {
            "weight": np.zeros((0, 0), np.float32),
            "bias": np.zeros(0, np.float32),
        }
        counts = _joined(arrays, _COUNTS)
        no_items = np.zeros(0, np.int64)
        return Release(
            manifest,
            arrays.get(_SHARED, {}),
            embeddings.pop(_ITEM, no_items),
            embeddings,
            counts.pop(_ITEM, no_items),
            counts,
            arrays.get(_GATE, {}),
        )


def in_blocks(item: NDArray[np.int64], items: int) -> NDArray[np.int64]:
    """All items from 1 to `items` in the blocks of these."""
    blocks = np.unique(item // BLOCK_ITEMS)
    all_items = (blocks[:, None] * BLOCK_ITEMS + np.arange(BLOCK_ITEMS)).ravel()
    return all_items[(all_items > 0) & (all_items <= items)]


def _blocks(prefix: str, item: NDArray[np.int64], arrays: Arrays) -> dict[str, bytes]:
    parts = {}
    starts = np.flatnonzero(np.diff(item // BLOCK_ITEMS, prepend=-1)).tolist()
    for low, high in pairwise([*starts, len(item)]):
        rows = slice(low, high)
        block = {name: array[..., rows] if _is_by_column(name) else array[rows] for name, array in arrays.items()}
        parts[f"{prefix}{item[low] // BLOCK_ITEMS}"] = _dump({_ITEM: item[rows], **block})
    return parts


def _joined(arrays: Mapping[str, Arrays], prefix: str) -> dict[str, NDArray[Any]]:
    blocks = {int(name.removeprefix(prefix)): block for name, block in arrays.items() if name.startswith(prefix)}
    parts = [block for _, block in sorted(blocks.items())]
    if not parts:
        return {}
    return {
        name: np.concatenate([part[name] for part in parts], axis=-1 if _is_by_column(name) else 0) for name in parts[0]
    }


def _is_by_column(name: str) -> bool:
    return name == "popularity.counts"


def _dump(arrays: Arrays) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _load(name: str, part: bytes) -> dict[str, NDArray[Any]]:
    try:
        arrays: dict[str, NDArray[Any]] = load(part)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"part {name} of a release is damaged ({error})") from error
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise WeightsError(f"part {name} of a release is not finite")
    return arrays

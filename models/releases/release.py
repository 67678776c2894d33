"""A release of one model: what changed in its weights and counts since the one before, as named parts of bytes.

Items are in blocks of 128, so that the newest part of each name, of all releases together, is the complete model.
Pairs of items are a thousand numbers per item: their blocks come more rarely than all else, and in between each release
has all events of which its pairs are still to be counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.new_events import NewEvents
from models.errors import UnknownItemError
from models.items.register import ItemRegister
from models.releases.event_part import dump_events, load_events
from models.releases.manifest import Manifest
from models.releases.pair_part import dump_pairs, present_pairs
from models.releases.part_arrays import Arrays, dump, dump_blocks, join_blocks, load_part

_SHARED, _GATE, _UNPAIRED, _ITEMS, _COUNTS, _PAIRS = "shared", "gate", "unpaired", "items/", "counts/", "pairs/"
_REVIEWS, _HORIZONS = "reviews/", "horizons"

LAST_SEEN = "last-seen"
"""In counts: when each item was seen last, in epoch ms"""


@dataclass(frozen=True, slots=True)
class Release:
    """Weights and counts that changed."""

    manifest: Manifest
    shared: Arrays
    """All weights that items share; empty where none changed"""
    item: NDArray[np.int64]
    """[n] items, rising, whose embeddings are here"""
    embeddings: Arrays
    """`weight` [n, D] E' in half precision, which halves what is sent and loses nothing of recall; `bias` [n]"""
    counted: NDArray[np.int64]
    """[m] items, rising, whose popularity is here"""
    counts: Arrays
    """`StreamCounts.rows` of them, and LAST_SEEN"""
    gate: Arrays
    """State of the experts' gate; empty without experts"""
    paired: NDArray[np.int64]
    """[p] items, rising, whose pairs are here"""
    pairs: Arrays
    """Of them, packed (pair_part.py)"""
    unpaired: Sequence[NewEvents]
    """Events, batch by batch, whose pairs no block of this release or one before has yet"""
    reviewed: NDArray[np.int64]
    """[r] items, rising, whose mean reviews are here, for a trainer: in embeddings they are contained"""
    reviews: Arrays
    """`ItemContent.state` of them"""
    horizons: Arrays = field(default_factory=dict)
    """State of the heads that look further (inference/horizon_model.py); empty where none changed, or without them"""

    def item_weights(self) -> tuple[Tensor, Tensor]:
        """E' [n, D] and bias [n] of `item`, in single precision."""
        return torch.from_numpy(self.embeddings["weight"]).float(), torch.from_numpy(self.embeddings["bias"])

    def parts(self) -> dict[str, bytes]:
        """The parts by name."""
        parts = {_SHARED: dump(self.shared)} if self.shared else {}
        if self.gate:
            parts[_GATE] = dump(self.gate)
            parts[_UNPAIRED] = dump_events(self.unpaired)
        if self.horizons:
            parts[_HORIZONS] = dump(self.horizons)
        parts |= dump_blocks(_ITEMS, self.item, self.embeddings)
        parts |= dump_blocks(_COUNTS, self.counted, self.counts)
        parts |= dump_blocks(_REVIEWS, self.reviewed, self.reviews)
        return parts | dump_pairs(_PAIRS, self.paired, self.pairs)

    def of_present_items(self, register: ItemRegister) -> "Release":
        """Without what is of items that have lost their slots since.

        UnknownItemError where the register was not read as far as the trainer's.
        """
        registered = self.manifest.items
        if registered > register.count:
            raise UnknownItemError(registered, register.count)
        if not register.has_evicted:
            return self
        _, gone = register.taken_over(registered)

        def present(item: NDArray[np.int64], arrays: Arrays) -> tuple[NDArray[np.int64], Arrays]:
            kept = ~np.isin(item, gone)
            return item[kept], {name: array[kept] for name, array in arrays.items()}

        item, embeddings = present(self.item, self.embeddings)
        counted, counts = present(self.counted, self.counts)
        reviewed, reviews = present(self.reviewed, self.reviews)
        pairs = present_pairs(self.paired, self.pairs, register) if len(self.paired) else self.pairs
        unpaired = [events.without(gone) for events in self.unpaired]
        return replace(
            self,
            item=item,
            embeddings=embeddings,
            counted=counted,
            counts=counts,
            pairs=pairs,
            unpaired=unpaired,
            reviewed=reviewed,
            reviews=reviews,
        )

    @staticmethod
    def of(parts: Mapping[str, bytes], manifest: Manifest) -> "Release":
        """The release from its parts. WeightsError where they are damaged or not finite."""
        arrays = {name: load_part(name, part) for name, part in parts.items()}
        item, embeddings = join_blocks(arrays, _ITEMS)
        counted, counts = join_blocks(arrays, _COUNTS)
        no_embeddings: Arrays = {"weight": np.zeros((0, 0), np.float16), "bias": np.zeros(0, np.float32)}
        paired, pairs = join_blocks(arrays, _PAIRS)
        unpaired = load_events(arrays[_UNPAIRED]) if _UNPAIRED in arrays else []
        shared, gate = arrays.get(_SHARED, {}), arrays.get(_GATE, {})
        return Release(
            manifest,
            shared,
            item,
            embeddings or no_embeddings,
            counted,
            counts,
            gate,
            paired,
            pairs,
            unpaired,
            *join_blocks(arrays, _REVIEWS),
            arrays.get(_HORIZONS, {}),
        )

"""Outlook of users: what they will do within the next day, week and month, as of a stored row and a silence.

    outlook = engine.outlook(rows, silent_s)          # rows [U], silent_s [U]: seconds since each user's last event
    outlook.return_p[:, 2]                            # P(any event within 30 days from now)

It needs `model.horizons = true`, in the trainer as well: the heads are trained there and come with its releases. Rows
are read, not changed; users may be asked about at any time, which is what finds those who fall silent.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.horizons import HORIZON_DAYS
from models.experts.candidates import Candidates, largest
from models.experts.mixture import MixtureBlock
from models.inference.horizon_model import HorizonModel
from models.inference.topk import TopSizes
from models.transfers import to_host


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of U users, for H horizons."""

    return_p: NDArray[np.float32]
    """[U, H] probability of at least one event within the horizon; does not fall from one horizon to the next"""
    item: NDArray[np.int64]
    """[U, H, k] items of the events to come, by falling probability; 0 where there are fewer"""
    item_p: NDArray[np.float32]
    """[U, H, k] share that the item will have in these events, given that there are any"""
    category: NDArray[np.int64]
    """[U, H, m] likewise of categories (indices as in `Predictions.category`); -1 where there are fewer"""
    category_p: NDArray[np.float32]
    """[U, H, m]"""
    days: tuple[int, ...] = HORIZON_DAYS
    """The horizons"""

    def __len__(self) -> int:
        return len(self.return_p)


def outlook_of(
    horizons: HorizonModel,
    rows: NDArray[np.void],
    silent_s: NDArray[np.float64],
    blocks: Iterable[MixtureBlock],
    candidates: Candidates,
    sizes: TopSizes,
) -> Outlook:
    """The outlook of rows [U], from the distributions of each one's next event in blocks."""
    return_p = horizons.return_p(horizons.signals(rows, silent_s))
    shape, count = return_p.shape, min(sizes.items, candidates.known)
    item, item_p = np.zeros((*shape, sizes.items), np.int64), np.zeros((*shape, sizes.items), np.float32)
    category, category_p = (np.zeros((*shape, sizes.categories), kind) for kind in (np.int64, np.float32))
    for block in blocks:
        top_p, top = largest(block.p, count)  # [p, k]
        tensors = [top * (top_p > 0), top_p, *candidates.categories(block.p, sizes.categories)]
        top_item, top_item_p, top_category, top_category_p = (array[:, None] for array in to_host(tensors))
        item[block.rows, :, :count], item_p[block.rows, :, :count] = top_item, top_item_p
        category[block.rows], category_p[block.rows] = top_category, top_category_p
    return Outlook(return_p, item, item_p, category, category_p)

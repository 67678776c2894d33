"""Experts that count: which items are popular, what came after and before a user's last items, what the user repeats.

Counts change by whole batches: what a batch adds is seen by the next one. Knows nothing of the network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig
from models.data.new_events import NewEvents
from models.experts.cooccurrence import sparse_rows
from models.experts.pair_counts import PairCounts
from models.experts.popularity_counts import HALF_LIVES, PopularityCounts
from models.experts.sparse_columns import SparseColumns
from models.transfers import is_host, to_device


@dataclass(frozen=True, slots=True)
class TransitionExpert:
    """Scores an item by how often it came after (or before) the user's last J items: Σ_j decay^j · count / norm."""

    name: str
    last_items: int
    """J"""
    decay: float
    norm: Literal["total", "root"]
    """Counts are divided by the last item's total, or by its root, so that frequent items count more"""
    table: Literal["successors", "predecessors"] = "successors"


TRANSITIONS: Final = (
    TransitionExpert("next_5", 5, 0.5, "total"),
    TransitionExpert("next_20", 20, 0.85, "root"),
    TransitionExpert("prev_20", 20, 0.85, "root", "predecessors"),
    TransitionExpert("next_1", 1, 1.0, "total"),
)
"""The first one's certainty is a feature of the gate"""

REPEAT: Final = "repeat"
"""Expert of the user's last items themselves, where items may come back"""

POPULAR: Final = tuple(f"popular_{half_life:g}" for half_life in HALF_LIVES)

_REPEAT_DECAY = 0.7
_MAX_LAST_ITEMS = max(expert.last_items for expert in TRANSITIONS)
_HAS_MKL: Final[bool] = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]  # torch has no types for it
"""Without MKL, torch does not multiply two sparse matrices into a dense one"""


@dataclass(frozen=True, slots=True)
class HistoryScores:
    """How much items follow from the last ones, by each of F experts; not normalised."""

    columns: SparseColumns
    """The M items that may have a score"""
    values: Tensor
    """[F, P, M]"""
    total: Tensor
    """[F, P, 1] sum over all items"""


class CountExperts:
    """Counts of items and of pairs of items. For one thread."""

    def __init__(self, config: ModelConfig, sparse_from: float = 2, sparse_products: bool = _HAS_MKL) -> None:
        """`sparse_from`: items per cell of a user's last items from which scores are computed for those cells alone.

        `sparse_products`: scores of all items are products of sparse matrices, which need MKL, instead of sums by
        `scatter_add`. These take 45 instead of 17 µs per prediction of 1,700 items, 60 instead of 37 of 10,000.
        """
        self.repeats = config.allow_repeats
        self.history_names = (*(expert.name for expert in TRANSITIONS), *([REPEAT] if self.repeats else []))
        """The F experts that score items by the user's last ones"""
        self._sparse_from = sparse_from
        self._sparse_products = sparse_products
        self._popularity = PopularityCounts()
        self.pairs = PairCounts(config.max_successors)
        """Counts of pairs of items, of which `observe` counts those of all events"""
        self._tables = self.pairs.tables

    @property
    def known(self) -> int:
        """Largest item index that was ever counted."""
        return self.pairs.known

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        self._popularity.grow(rows)
        self.pairs.grow(rows)

    def observe(self, events: NewEvents) -> None:
        """Count the events, each pair of items in a user's history with weight 1 / distance."""
        if not len(events):
            return
        self.pairs.add(events)
        self._popularity.add(events.item, events.weight)

    def forget(self, item: NDArray[np.int64]) -> None:
        """Drop these items from all counts, from those of pairs with other items too."""
        item = item[item <= self.known]
        self._popularity.put(item, np.zeros((len(HALF_LIVES), len(item))), np.zeros(len(item), np.int64))
        self.pairs.forget(item)

    def popularity_of(self, item: NDArray[np.int64]) -> NDArray[np.float64]:
        """[L, n] counts of these items at each half-life, for `put_popularity`."""
        self.grow(int(item.max(initial=0)) + 1)
        return self._popularity.counts_of(item)

    def put_popularity(
        self,
        item: NDArray[np.int64],
        counts: NDArray[np.float64],
        age: NDArray[np.int64],
        newer: Sequence[NewEvents],
        aged_by: int,
    ) -> None:
        """Replace the counts of these items by `counts` [L, n], each as of `age` [n] events ago, and `newer` events.

        Other items' counts age by `aged_by` events that are counted elsewhere.
        """
        self._popularity.advance(aged_by)
        self.pairs.make_room_for(item)
        self.grow(self.known + 1)
        self._popularity.put(item, counts, age)
        replaced = np.zeros(self.known + 1, np.bool_)
        replaced[item] = True
        newer_events = sum(map(len, newer))
        for events in newer:
            newer_events -= len(events)
            again = replaced[events.item]
            ages = newer_events + np.arange(len(events))[::-1]
            self._popularity.add_past(events.item[again], events.weight[again], ages[again])

    def popularity(self, rows: int) -> NDArray[np.float32]:
        """[4, rows] popularity of the items below `rows` at each half-life; each row sums to one."""
        return self._popularity.probabilities(rows)

    def history_scores(self, last_items: NDArray[np.int64], candidate_mask: Tensor) -> HistoryScores:
        """Scores of items after the last items [P, K], newest first; 0 where `candidate_mask` [P or 1, N + 1] is 0."""
        size = candidate_mask.shape[1]
        cells = 2 * self._tables["successors"].cells * _MAX_LAST_ITEMS + self.repeats * last_items.shape[1]
        if size >= self._sparse_from * cells:
            return self._sparse_scores(last_items, candidate_mask)
        device = candidate_mask.device
        # The products are the CPU's: their results, of all items, would have to cross to another device.
        by_products = self._sparse_products and is_host(device)
        dense = self._dense_by_products if by_products else self._dense_by_scattering
        values = dense(last_items, size, device).mul_(candidate_mask)
        return HistoryScores(SparseColumns(None), values, values.sum(2, keepdim=True))

    def history_shares(self, last_items: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[F, P, K] share of each of the last items in the score of `item` [P]; sums to 1, or is 0 without a score."""
        shares = np.zeros((len(self.history_names), *last_items.shape), dtype=np.float32)
        nearest = last_items[:, :_MAX_LAST_ITEMS]
        target = np.broadcast_to(item[:, None], nearest.shape)
        counts = {name: table.counts(nearest, target) for name, table in self._tables.items()}
        for share, expert in zip(shares, TRANSITIONS, strict=False):
            weight = self._transition_weights(expert, last_items)  # [P, J]
            width = weight.shape[1]
            share[:, :width] = weight * counts[expert.table][:, :width]
        if self.repeats:
            repeated = (last_items == item[:, None]) & (last_items > 0)
            shares[-1] = repeated * _REPEAT_DECAY ** np.arange(last_items.shape[1])
        total = shares.sum(2, keepdims=True)
        np.divide(shares, total, out=shares, where=total > 0)
        return shares

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of the counts, 4 KB per item by default."""
        rows = self.known + 1
        self.grow(rows)
        return {"popularity.counts": self._popularity.state(rows), **self.pairs.state(rows)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. ValueError where it was made with another number of successors."""
        self.pairs.restore(state)
        self._popularity.restore(state["popularity.counts"])
        self.pairs.known = largest_counted_item(state)

    def _dense_by_products(self, last_items: NDArray[np.int64], size: int, device: torch.device) -> Tensor:
        """[F, P, size] scores of all items below `size`, whether they are candidates or not."""
        rows = max(size, self.known + 1, int(last_items.max(initial=0)) + 1)
        values = torch.empty(len(self.history_names), len(last_items), rows)
        matrices = {name: table.matrix(rows) for name, table in self._tables.items()}
        for expert_values, expert in zip(values, TRANSITIONS, strict=False):
            weight = self._transition_weights(expert, last_items)  # [P, J]
            weights = sparse_rows(last_items[:, : weight.shape[1]].astype(np.int32), weight, rows)
            torch.addmm(expert_values, weights, matrices[expert.table], beta=0, out=expert_values)
        if self.repeats:
            repeat_weights = torch.from_numpy(_repeat_weights(last_items))
            values[-1].zero_().scatter_add_(1, torch.from_numpy(last_items), repeat_weights)
        return values[:, :, :size].to(device)

    def _dense_by_scattering(self, last_items: NDArray[np.int64], size: int, device: torch.device) -> Tensor:
        """The same without MKL."""
        values = torch.zeros(len(self.history_names), len(last_items), size, device=device)
        for expert_values, (index, term) in zip(values, self._terms(last_items, size, device), strict=True):
            expert_values.scatter_add_(1, index, term)
        return values

    def _sparse_scores(self, last_items: NDArray[np.int64], candidate_mask: Tensor) -> HistoryScores:
        """The same scores for the successors of the last items alone."""
        size, device = candidate_mask.shape[1], candidate_mask.device
        terms = list(self._terms(last_items, size, device))
        # The experts of fewer last items read a part of the same cells.
        widest = (expert.last_items == _MAX_LAST_ITEMS for expert in TRANSITIONS)
        indices = [index for (index, _), wide in zip(terms, (*widest, self.repeats), strict=False) if wide]
        column = torch.cat(indices, 1)  # [P, M]
        dense = torch.empty(len(last_items), size, device=device)
        values, totals = torch.empty(len(terms), *column.shape, device=device), []
        for expert_values, (index, term) in zip(values, terms, strict=True):
            masked = term * candidate_mask.expand_as(dense).gather(1, index)  # [P, m]
            totals.append(masked.sum(1, keepdim=True))
            torch.gather(dense.zero_().scatter_add_(1, index, masked), 1, column, out=expert_values)
        return HistoryScores(SparseColumns(column), values, torch.stack(totals))

    def _terms(self, last_items: NDArray[np.int64], size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """For each expert, the terms [P, m] that its scores are sums of, and the items [P, m] that they belong to.

        Terms of items from `size` on belong to item 0, "no item".
        """
        nearest = last_items[:, :_MAX_LAST_ITEMS]
        cells = {}
        for name, table in self._tables.items():
            items, counts = table.successors(nearest, device)  # [P, J, cells] both
            cells[name] = _clip(items.long(), size, self.known), counts
        for expert in TRANSITIONS:
            (weight,) = to_device([self._transition_weights(expert, last_items)], device)  # [P, J]
            items, counts = (array[:, : weight.shape[1]] for array in cells[expert.table])
            yield items.flatten(1), (counts * weight.unsqueeze(2)).flatten(1)
        if self.repeats:
            index, weight = to_device([last_items, _repeat_weights(last_items)], device)  # [P, K] both
            yield _clip(index, size, int(last_items.max(initial=0))), weight

    def _transition_weights(self, expert: TransitionExpert, last_items: NDArray[np.int64]) -> NDArray[np.float32]:
        """[P, J] what a count of a pair with each of the last items weighs."""
        items = last_items[:, : expert.last_items]
        decay = (expert.decay ** np.arange(items.shape[1])).astype(np.float32)
        total = self._tables[expert.table].totals(items)
        norm = total if expert.norm == "total" else np.sqrt(total)
        return np.divide(decay, norm, out=np.zeros(items.shape, np.float32), where=total > 0)


def _clip(item: Tensor, size: int, largest: int) -> Tensor:
    """The items, none beyond `largest`, with 0 for those from `size` on."""
    return item if largest < size else item * (item < size)


def _repeat_weights(last_items: NDArray[np.int64]) -> NDArray[np.float32]:
    """[P, K] what each of the last items weighs for `repeat`."""
    return np.where(last_items > 0, _REPEAT_DECAY ** np.arange(last_items.shape[1]), 0).astype(np.float32)


def largest_counted_item(state: Mapping[str, NDArray[Any]]) -> int:
    """Largest item index in `CountExperts.state()`; 0 where it is none."""
    return int(state["popularity.counts"].shape[1]) - 1 if "popularity.counts" in state else 0

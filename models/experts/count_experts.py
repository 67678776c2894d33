"""What counting alone says about a user's next item: what is popular, and what came before and after their last items.

Counts change a batch at a time; what a batch adds is seen by the next one. Knows nothing of the network.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig
from models.data.events import TYPE_WEIGHT
from models.data.timeline import Timeline
from models.errors import WeightsError
from models.experts.cooccurrence import SuccessorTable
from models.experts.gate import ExpertGate, GateExamples
from models.experts.popularity_counts import HALF_LIVES, PopularityCounts
from models.experts.sparse_columns import SparseColumns

POPULAR: Final = tuple(f"popular{half_life:g}" for half_life in HALF_LIVES)
FOLLOWING: Final = ("skip5", "skip20", "back20", "skip1")
RECENCY: Final = "recency"

_REACH = 10
"""Steps between two events that still count as a pair, each 1 / steps"""

_DECAYS: Final = {
    "skip5": 0.5 ** np.arange(5),
    "skip20": 0.85 ** np.arange(20),
    "back20": 0.85 ** np.arange(20),
    "skip1": np.ones(1),
}
"""What a user's last items count, newest first"""

_EXACT: Final = ("skip5", "skip1")
"""Whose rows are normalised by their sum; those of the others by its root, so that often met items count more"""

_RECENCY_DECAY = 0.7
_WEIGHTS = {"network": 0.5, "skip5": 0.2, "skip20": 0.2, "back20": 0.2, "skip1": 0.0}
_OTHER_WEIGHT = 0.1
_SHARES = {"skip1": -2.0}
"""Of skip1 as little as can be to begin with: where few events come, it is the one that is often wrong"""

_SPARSE_FROM = 2
"""Items per successor of a user's last items from which it pays to compute for those successors alone"""


@dataclass(frozen=True, slots=True)
class Following:
    """How much items follow from the last ones; of any sum."""

    places: SparseColumns
    """The M items that may follow"""
    each: Tensor
    """[F, P, M]"""
    total: Tensor
    """[F, P, 1] sum over all items"""


class CountExperts:
    """The counts and the mixer's weights. One thread at a time may use it; any thread may ask for its `state`."""

    def __init__(self, config: ModelConfig) -> None:
        self.repeats = config.allow_repeats
        self.following = (*FOLLOWING, RECENCY) if self.repeats else FOLLOWING
        """Experts that each of the user's last items has a part in"""
        self.names = ("network", *POPULAR, *self.following)
        """All experts in the mixer's order"""
        self.mixer = ExpertGate(
            np.array([_WEIGHTS.get(name, _OTHER_WEIGHT) for name in self.names]),
            np.array([_SHARES.get(name, 0.0) for name in self.names]),
        )
        self.known = 0
        """Largest item index that was ever counted"""
        self._popularity = PopularityCounts()
        self._after = SuccessorTable(config.max_successors)
        self._before = SuccessorTable(config.max_successors)
        self._lock = threading.Lock()

    def grow(self, rows: int) -> None:
        """Make room for item indices below `rows`."""
        with self._lock:
            self._grow(rows)

    def learn(self, gate_examples: GateExamples) -> None:
        """Teach the mixer."""
        with self._lock:
            self.mixer.learn(gate_examples)

    def observe(self, timeline: Timeline) -> None:
        """Count the events of a batch."""
        batch = timeline.batch
        if not len(batch):
            return
        # The batch is grouped by user; what is popular now is a matter of time.
        order = np.argsort(batch.time_ms, kind="stable")
        weight = TYPE_WEIGHT[batch.type]
        before = timeline.recent_items(batch.user, timeline.event_number - 1, _REACH)  # [n, lags]
        worth = weight[:, None] / np.arange(1, before.shape[1] + 1)  # [n, lags]
        former, latter, count = _distinct(before, batch.item, worth)
        with self._lock:
            self.known = max(self.known, int(batch.item.max()))
            self._grow(self.known + 1)
            self._popularity.add(batch.item[order], weight[order])
            self._after.add(former, latter, count)
            self._before.add(latter, former, count)

    def popular(self, rows: int) -> NDArray[np.float32]:
        """[4, rows] popularity of the items below `rows` at each half-life; each row sums to one."""
        return self._popularity.probabilities(rows)

    def follow(self, recent: NDArray[np.int64], open_: Tensor) -> Following:
        """How much each item follows from the last items [P, K], newest first; 0 where `open_` [P or 1, rows] is 0."""
        rows = open_.shape[1]
        reach = max(map(len, _DECAYS.values()))
        leads = 2 * self._after.cells * reach + self.repeats * recent.shape[1]
        if rows < _SPARSE_FROM * leads:
            return self._follow_all(recent, rows, open_)
        return self._follow_leads(recent, recent[:, :reach], rows, open_)

    def _follow_all(self, recent: NDArray[np.int64], rows: int, open_: Tensor) -> Following:
        size = max(rows, self.known + 1, int(recent.max(initial=0)) + 1)
        out = torch.empty(len(self.following), len(recent), size)
        for part, name in zip(out, FOLLOWING, strict=False):
            self._table(name).weighted(*self._weights(name, recent), part)
        if self.repeats:
            out[-1].zero_().scatter_add_(1, torch.from_numpy(recent), torch.from_numpy(_recency(recent)))
        each = out[:, :, :rows].to(open_.device).mul_(open_)
        return Following(SparseColumns(None), each, each.sum(2, keepdim=True))

    def _follow_leads(self, recent: NDArray[np.int64], far: NDArray[np.int64], rows: int, open_: Tensor) -> Following:
        found, device = {table: table.successors(far) for table in (self._after, self._before)}, open_.device
        start, items, spans, worths = 0, [], {}, []
        for table, (item, _) in found.items():  # [P, J, cells]
            items.append(item.flatten(1))
            spans[table] = start
            start += items[-1].shape[1]
        if self.repeats:
            items.append(torch.from_numpy(recent))
        at = torch.cat(items, 1).long().to(device)  # [P, M]
        at.mul_(at < rows)
        places = SparseColumns(at)
        allowed = places.pick(open_)  # [P, M]
        for name in FOLLOWING:
            table = self._table(name)
            last, weight = self._weights(name, recent)
            count = found[table][1][:, : last.shape[1]] * torch.from_numpy(weight).unsqueeze(2)  # [P, J, cells]
            worths.append((spans[table], count.flatten(1)))
        if self.repeats:
            worths.append((start, torch.from_numpy(_recency(recent))))
        whole = torch.empty(len(at), rows, device=device)
        each, total = torch.empty(len(worths), *at.shape, device=device), []
        for out, (low, worth) in zip(each, worths, strict=True):
            part = slice(low, low + worth.shape[1])
            counted = worth.to(device).mul_(allowed[:, part])  # [P, m]
            total.append(counted.sum(1, keepdim=True))
            torch.gather(whole.zero_().scatter_add_(1, at[:, part], counted), 1, at, out=out)
        return Following(places, each, torch.stack(total))

    def shares(self, recent: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[F, P, K] the share that each of the last items has in what `follow` says of `item` [P]; sums to 1 or 0."""
        shares = np.zeros((len(self.following), *recent.shape), dtype=np.float32)
        far = recent[:, : max(map(len, _DECAYS.values()))]
        target = np.broadcast_to(item[:, None], far.shape)
        counts = {table: table.counts(far, target) for table in (self._after, self._before)}
        for row, name in zip(shares, FOLLOWING, strict=False):
            last, weight = self._weights(name, recent)
            width = last.shape[1]
            row[:, :width] = weight * counts[self._table(name)][:, :width]
        if self.repeats:
            again = (recent == item[:, None]) & (recent > 0)
            shares[-1] = again * _RECENCY_DECAY ** np.arange(recent.shape[1])
        total = shares.sum(2, keepdims=True)
        np.divide(shares, total, out=shares, where=total > 0)
        return shares

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of counts and mixer, 4 KB per item by default; a batch that is to be counted waits for it."""
        with self._lock:
            rows = self.known + 1
            parts: dict[str, Mapping[str, NDArray[Any]]] = {
                "popularity": {"counts": self._popularity.state(rows)},
                "after": self._after.state(rows),
                "before": self._before.state(rows),
                "mixer": self.mixer.state(),
            }
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. WeightsError where it was made with other experts or another `successors`."""

        def part(name: str) -> dict[str, NDArray[Any]]:
            return {key.removeprefix(f"{name}."): each for key, each in state.items() if key.startswith(f"{name}.")}

        with self._lock:
            try:
                self._after.restore(part("after"))
                self._before.restore(part("before"))
                self.mixer.restore(part("mixer"))
            except ValueError as error:
                raise WeightsError(
                    f"the counts were made with another model.max_successors or model.allow_repeats ({error}): "
                    "set these back or begin anew"
                ) from error
            self._popularity.restore(state["popularity.counts"])
            self.known = counted(state)

    def _grow(self, rows: int) -> None:
        # All three at once and under the lock: reading them never grows one while another thread copies it.
        for counts in (self._popularity, self._after, self._before):
            counts.grow(rows)

    def _table(self, name: str) -> SuccessorTable:
        return self._before if name == "back20" else self._after

    def _weights(self, name: str, recent: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The last items that the expert looks at, and what each of their counts weighs: [P, J] both."""
        decay = _DECAYS[name][: recent.shape[1]]
        item = recent[:, : len(decay)]
        total = self._table(name).totals(item)
        by = total if name in _EXACT else np.sqrt(total)
        weight = np.divide(decay.astype(np.float32), by, out=np.zeros(item.shape, np.float32), where=total > 0)
        return item, weight


def _recency(recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """[P, K] what each of the last items is worth to `recency`."""
    return np.where(recent > 0, _RECENCY_DECAY ** np.arange(recent.shape[1]), 0).astype(np.float32)


def _distinct(
    before: NDArray[np.int64], item: NDArray[np.int64], worth: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Pairs (former, latter) of items before [n, lags] and item [n], each once, and the sum of its worth."""
    real = (before > 0) & (item > 0)[:, None]
    pair, inverse = np.unique((before << 32 | item[:, None])[real], return_inverse=True)
    return pair >> 32, pair & 0xFFFFFFFF, np.bincount(inverse, worth[real], len(pair)).astype(np.float32)


def counted(state: Mapping[str, NDArray[Any]]) -> int:
    """Largest item index that this `CountExperts.state()` knows; 0 where it is none."""
    return int(state["popularity.counts"].shape[1]) - 1 if "popularity.counts" in state else 0

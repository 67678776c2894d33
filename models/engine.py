"""One step of the whole system: events and memories in, new memories and interest distributions out.

An event costs one recurrent step from the stored state and one attention over its ring; no history is run again.
"""

import threading
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from models.config import ModelConfig
from models.device import device_of
from models.distribution import Candidates
from models.errors import UnknownItemError, WeightsError
from models.events import EventBatch
from models.items import Items
from models.memory import Timeline, Windows
from models.network import InterestNetwork
from models.prediction import Predictions
from models.seen import mark, seen_after_each
from models.weights import Weights

_HALF_MAX = 65504.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch changed."""

    memory: NDArray[np.void]
    """[U] the rows after the batch; fields that the model does not know are as they were"""
    predictions: Predictions
    refused: NDArray[np.int64]
    """Rows whose recurrent state was not finite: where it became so in this step, `h`, `c` from before are kept;
    where it was so before, the step began from zero. Ring and everything else advanced"""


@dataclass(frozen=True, slots=True)
class _States:
    h: Tensor
    """[n, H] after each event"""
    memory: NDArray[np.void]
    """[U] copy of the memory whose `h`, `c` are those after the batch"""
    refused: NDArray[np.int64]


class Engine:
    """The network at work. One thread at a time may step; any thread may hand over new weights."""

    def __init__(
        self, config: ModelConfig, items: Items, top_items: int = 10, top_categories: int = 5, top_because: int = 3
    ) -> None:
        self.config = config
        self.device = device_of(config)
        self._dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
        self._items = items
        self._top = top_items, top_categories, min(top_because, config.ring)
        self._network = self._place(InterestNetwork(config))
        self._candidates = Candidates(items, self.device)
        self._lock = threading.Lock()
        self._incoming: tuple[int, InterestNetwork] | None = None
        self._version = 0

    @property
    def version(self) -> int:
        """Version of the weights that the next step uses."""
        with self._lock:
            return self._version if self._incoming is None else self._incoming[0]

    def update(self, weights: Weights) -> None:
        """Use these weights from the next step on. WeightsError where they are not finite or do not fit."""
        if not weights.finite():
            raise WeightsError(f"weights {weights.version} are not finite; the engine keeps those it has")
        network = InterestNetwork(self.config)
        network.load(weights)
        placed = self._place(network)
        with self._lock:
            self._incoming = weights.version, placed

    @torch.inference_mode()
    def step(self, batch: EventBatch, memory: NDArray[np.void], per: Literal["user", "event"] = "user") -> Step:
        """Advance the memories [U] by the batch and predict after each user's last event, or after each event."""
        self._catch_up()
        timeline = Timeline(batch, memory)
        self._check(timeline)
        states = self._recur(timeline)
        event = timeline.last_events() if per == "user" else np.arange(len(batch))
        windows = timeline.windows(batch.user[event], timeline.step[event])
        interest, attention = self._read(states.h[torch.from_numpy(event).to(self.device)], windows)
        timeline.advance(states.memory)
        seen = None
        if self.config.repeats == "filter":
            if per == "event":
                seen = seen_after_each(timeline)
                last = timeline.last_events()
                states.memory["seen"][batch.user[last]] = seen[last]
            else:
                mark(states.memory["seen"], batch.user, batch.item)
                seen = states.memory["seen"][batch.user[event]]
        return Step(states.memory, self._predict(event, interest, seen, windows, attention), states.refused)

    @torch.inference_mode()
    def rank(self, batch: EventBatch, memory: NDArray[np.void], known: int | None = None) -> NDArray[np.float64]:
        """[n] rank (from 1) of each event's item under the state right before it, ties by their mean.

        Candidates are the items up to index `known` (default: all that are known now), less those that are filtered.
        Infinite where the item is no candidate, NaN where the event has none.
        """
        self._catch_up()
        known = self._candidates.known if known is None else known
        timeline = Timeline(batch, memory)
        self._check(timeline)
        h = torch.roll(self._recur(timeline).h, 1, 0)  # [n, H]
        first = np.flatnonzero(timeline.position == 0)
        h[torch.from_numpy(first).to(self.device)] = self._stored(memory, "h", batch.user[first])
        interest, _ = self._read(h, timeline.windows(batch.user, timeline.step - 1))
        seen = None
        if self.config.repeats == "filter":
            seen = np.roll(seen_after_each(timeline), 1, axis=0)  # [n, bytes]
            seen[first] = memory["seen"][batch.user[first]]
        rank = np.full(len(batch), np.inf)
        target = torch.from_numpy(np.where(batch.item <= known, batch.item, 0)).to(self.device)
        for rows, scores in self._candidates.scores(self._network, interest, seen, known):
            own = scores.gather(1, target[rows].unsqueeze(1))  # [p, 1]
            place = (scores > own).sum(1) + ((scores == own).sum(1) + 1) / 2  # [p]
            rank[rows] = place.masked_fill(own.squeeze(1).isneginf(), torch.inf).double().cpu().numpy()
        rank[batch.item == 0] = np.nan
        return rank

    def _place(self, network: InterestNetwork) -> InterestNetwork:
        return network.to(self.device, self._dtype).requires_grad_(False).eval()

    def _catch_up(self) -> None:
        with self._lock:
            incoming, self._incoming = self._incoming, None
            if incoming is not None:
                self._version, self._network = incoming
        self._candidates.refresh()
        self._network.grow(self._candidates.known + 1)

    def _check(self, timeline: Timeline) -> None:
        # An index beyond the table is an assertion inside a CUDA kernel, and the device is lost to the process.
        largest = max(int(timeline.batch.item.max(initial=0)), int(timeline.memory["ring_item"].max(initial=0)))
        if largest > self._candidates.known:
            raise UnknownItemError(largest, self._candidates.known)

    def _tensor(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _stored(self, memory: NDArray[np.void], name: str, user: NDArray[np.int64]) -> Tensor:
        state = torch.from_numpy(memory[name][user]).to(self.device, self._dtype)  # [p, H]
        return state.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def _recur(self, timeline: Timeline) -> _States:
        """Run the LSTM over each user's events, as one packed sequence: n recurrent steps, whoever they belong to."""
        batch, memory = timeline.batch, timeline.memory
        after = memory.copy()
        if not len(batch):
            h = torch.zeros(0, self.config.hidden, device=self.device, dtype=self._dtype)
            return _States(h, after, np.zeros(0, np.int64))
        order = np.argsort(-timeline.count, kind="stable")
        order = order[: int(np.count_nonzero(timeline.count))]  # [A] users with events, busiest first
        place = np.empty(len(memory), dtype=np.int64)
        place[order] = np.arange(len(order))
        sizes = np.bincount(timeline.position)  # [T] users with more than t events
        packed = (np.cumsum(sizes) - sizes)[timeline.position] + place[batch.user]  # [n] where each event goes
        source = np.empty_like(packed)
        source[packed] = np.arange(len(batch))
        network = self._network
        x = network.embed(
            network.item,
            self._tensor(batch.item[source]),
            self._tensor(batch.type[source]),
            self._tensor(timeline.gap[source]),
        )  # [n, D]
        h0, c0 = self._stored(memory, "h", order), self._stored(memory, "c", order)  # [A, H]
        sequence = PackedSequence(x, torch.from_numpy(sizes))
        output, (h1, c1) = network.lstm(sequence, (h0.unsqueeze(0), c0.unsqueeze(0)))
        h, h1, c1 = output.data[self._tensor(packed)], h1.squeeze(0), c1.squeeze(0)  # [n, H], [A, H], [A, H]
        good = (torch.isfinite(h1) & torch.isfinite(c1)).all(1)  # [A]
        if not bool(good.all()):
            bad = ~good.unsqueeze(1)
            h1, c1 = torch.where(bad, h0, h1), torch.where(bad, c0, c1)
            mine = self._tensor(place[batch.user])  # [n]
            h = torch.where(bad[mine], h0[mine], h)
        stored = np.isfinite(memory["h"][order]).all(1) & np.isfinite(memory["c"][order]).all(1)  # [A]
        after["h"][order] = h1.half().cpu().numpy()
        after["c"][order] = c1.float().clamp(-_HALF_MAX, _HALF_MAX).half().cpu().numpy()
        return _States(h, after, np.sort(order[~(stored & good.cpu().numpy())]))

    def _read(self, h: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
        network = self._network
        window = network.embed(
            network.item, self._tensor(windows.item), self._tensor(windows.type), self._tensor(windows.gap)
        )  # [P, K, D]
        interest, attention = network.read(h, window, torch.from_numpy(windows.valid).to(self.device))
        return interest, attention.nan_to_num(nan=0.0)

    def _predict(
        self,
        event: NDArray[np.int64],
        interest: Tensor,
        seen: NDArray[np.uint8] | None,
        windows: Windows,
        attention: Tensor,
    ) -> Predictions:
        items, categories, reasons = self._top
        head = self._candidates.predict(self._network, interest, seen, items, categories)
        because, weight = _heaviest(windows.item, attention.float().cpu().numpy(), reasons)
        item_p = head.item_p.cpu().numpy()
        return Predictions(
            event=event,
            item=head.item.cpu().numpy(),
            item_p=item_p,
            other_p=(1 - item_p.sum(1)).clip(min=0),
            category=head.category.cpu().numpy(),
            category_p=head.category_p.cpu().numpy(),
            because=because,
            because_weight=weight,
            model_version=self._version,
        )


def _heaviest(
    item: NDArray[np.int64], weight: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Items [P, b] with the largest summed weight in each row [P, K], 0 where there are fewer, and those sums."""
    rows = np.arange(len(item))[:, None]
    order = np.argsort(item, axis=1)  # [P, K]
    item, weight = item[rows, order], weight[rows, order]
    total = np.cumsum(weight, axis=1, dtype=np.float64)
    ends = np.ones(item.shape, dtype=np.bool_)
    ends[:, :-1] = item[:, 1:] != item[:, :-1]
    # The sum of a run of equal items: the running total at its end less the one at the end of the run before.
    before = np.maximum.accumulate(np.where(ends, total, 0), axis=1)
    share = total.copy()
    share[:, 1:] -= before[:, :-1]
    share = np.where(ends & (item > 0), share, 0)
    best = np.argsort(-share, axis=1, kind="stable")[:, :count]  # [P, b]
    heaviest: NDArray[np.float32] = share[rows, best].astype(np.float32)
    chosen: NDArray[np.int64] = np.where(heaviest > 0, item[rows, best], 0)
    return chosen, heaviest

"""One step of the whole system: events and memories in, new memories and interest distributions out.

An event costs one recurrent step from the stored state and one attention over its ring; no history is run again. The
experts live here, too: some of the batch's events teach the mixer from what was said before they came, then all are
counted, then the predictions are made. So predictions depend on how the stream is cut into batches; `h`, `c`, ring and
all else in the rows do not, nor on the experts.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import explanation, mixture
from models.config import ModelConfig
from models.device import device_of
from models.distribution import Candidates, largest
from models.errors import UnknownItemError, WeightsError
from models.events import TYPE_WEIGHT, EventBatch
from models.experts import Experts
from models.item_table import ItemTable
from models.items import Items
from models.memory import Timeline
from models.mixer import MIXER_EVENTS
from models.mixture import Moments
from models.network import InterestNetwork
from models.prediction import Predictions
from models.recurrence import recur, stored
from models.reviews import Reviews
from models.scores import Scores
from models.seen import mark, seen_after_each, seen_before
from models.weights import Weights

_REVIEWS = "reviews."

_MIXING_STRIDE = 4
"""At most one of so many events teaches the mixer: scoring an event costs as much as predicting a user's next"""


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch changed."""

    memory: NDArray[np.void]
    """[U] the rows after the batch; fields that the model does not know are as they were"""
    predictions: Predictions
    refused: NDArray[np.int64]
    """Rows whose recurrent state was not finite: where it became so in this step, `h`, `c` from before are kept;
    where it was so before, the step began from zero. Ring and everything else advanced"""


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
        self._table = ItemTable(self._network, items.content)
        self._candidates = Candidates(items, self.device)
        self._experts = Experts(config) if config.experts else None
        self._lock = threading.Lock()
        self._incoming: tuple[int, InterestNetwork, ItemTable] | None = None
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
        table = ItemTable(placed, self._items.content)
        table.refresh()
        with self._lock:
            self._incoming = weights.version, placed, table

    def experts(self) -> dict[str, NDArray[Any]]:
        """Copy of all counts, of the mixer and of what reviews said, for a checkpoint; any thread may ask."""
        counts = {} if self._experts is None else self._experts.state()
        reviews = {} if self._items.content is None else self._items.content.state()
        return counts | {_REVIEWS + name: array for name, array in reviews.items()}

    def restore(self, experts: Mapping[str, NDArray[Any]]) -> None:
        """Count and mix on from `experts`; nothing changes where they are empty. WeightsError where they do not fit."""
        reviews = {name.removeprefix(_REVIEWS): each for name, each in experts.items() if name.startswith(_REVIEWS)}
        if self._items.content is not None:
            self._items.content.restore(reviews)
        if self._experts is not None and len(experts) > len(reviews):
            self._experts.restore(experts)

    @torch.inference_mode()
    def step(self, batch: EventBatch, memory: NDArray[np.void], per: Literal["user", "event"] = "user") -> Step:
        """Advance the memories [U] by the batch and predict after each user's last event, or after each event.

        A prediction knows its user's events up to then, and of all others what was counted before the batch.
        """
        self._catch_up()
        reviews = Reviews.of(batch, self._items.content)
        timeline = Timeline(batch, memory, reviews.codes)
        self._check(timeline)
        states = recur(self._network, self._table.rows, timeline)
        if self._experts is not None:
            self._mix(self._experts, timeline, states.h)
        event = timeline.last_events() if per == "user" else np.arange(len(batch))
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
        h = states.h[torch.from_numpy(event).to(self.device)]
        moments = self._moments(timeline, h, batch.user[event], timeline.step[event], seen, self._candidates.known)
        predictions = self._predict(event, moments)
        if self._experts is not None:
            # Last of all: a prediction made amid the batch must not know, through the counts, what came after it.
            self._experts.observe(timeline)
        reviews.give()
        return Step(states.memory, predictions, states.refused)

    def rank(self, batch: EventBatch, memory: NDArray[np.void], known: int | None = None) -> NDArray[np.float64]:
        """[n] rank of each event's item, as `score` has it."""
        return self.score(batch, memory, known).rank

    @torch.inference_mode()
    def score(self, batch: EventBatch, memory: NDArray[np.void], known: int | None = None) -> Scores:
        """What would be said right before each event, and how well that foresees its item; nothing is learnt.

        Candidates are the items up to index `known` (default: all that are known now), less those that are filtered.
        Counts are those before the batch.
        """
        self._catch_up()
        known = self._candidates.known if known is None else known
        timeline = Timeline(batch, memory, Reviews.of(batch, self._items.content).codes)
        self._check(timeline)
        every = np.arange(len(batch))
        seen = None
        if self.config.repeats == "filter":
            seen = np.roll(seen_after_each(timeline), 1, axis=0)  # [n, bytes]
            first = np.flatnonzero(timeline.position == 0)
            seen[first] = memory["seen"][batch.user[first]]
        moments = self._before(timeline, recur(self._network, self._table.rows, timeline).h, every, seen, known)
        scores = Scores(*(np.full(len(batch), np.nan) for _ in range(4)))
        target = torch.from_numpy(np.where(batch.item <= known, batch.item, 0)).to(self.device)
        for block in mixture.blocks(self._network, self._table.rows, self._candidates, self._experts, moments, known):
            item = target[block.rows].unsqueeze(1)  # [p, 1]
            p = block.p - block.closed  # [p, N + 1]
            own = p.gather(1, item)  # [p, 1]
            place = (p > own).sum(1) + ((p == own).sum(1) + 1) / 2  # [p]
            largest, best = block.p.max(1)
            columns = (
                place.masked_fill(own.squeeze(1) < 0, torch.inf),
                own.clamp(min=0).log().squeeze(1),
                largest,
                (best == item.squeeze(1)) & (best > 0),
            )
            for out, column in zip((scores.rank, scores.log_p, scores.top1_p, scores.top1_hit), columns, strict=True):
                out[block.rows] = column.double().cpu().numpy()
        for out in (scores.rank, scores.log_p, scores.top1_p, scores.top1_hit):
            out[batch.item == 0] = np.nan
        return scores

    def _place(self, network: InterestNetwork) -> InterestNetwork:
        return network.to(self.device, self._dtype).requires_grad_(False).eval()

    def _catch_up(self) -> None:
        with self._lock:
            incoming, self._incoming = self._incoming, None
            if incoming is not None:
                self._version, self._network, self._table = incoming
        self._candidates.refresh()
        self._network.grow(self._candidates.known + 1)
        self._table.refresh()
        if self._experts is not None:
            self._experts.grow(self._candidates.known + 1)

    def _check(self, timeline: Timeline) -> None:
        # An index beyond the table is an assertion inside a CUDA kernel, and the device is lost to the process.
        largest = max(int(timeline.batch.item.max(initial=0)), int(timeline.memory["ring_item"].max(initial=0)))
        if largest > self._candidates.known:
            raise UnknownItemError(largest, self._candidates.known)

    def _moments(
        self,
        timeline: Timeline,
        h: Tensor,
        user: NDArray[np.int64],
        step: NDArray[np.int64],
        seen: NDArray[np.uint8] | None,
        known: int,
    ) -> Moments:
        """The moments right after these steps of these users, with the states h [P, H] there."""
        network, windows = self._network, timeline.windows(user, step)
        window = network.embed(self._table.rows, windows.steps.tensors(self.device))  # [P, K, D]
        reading = network.read(h, window, windows, self._candidates.repeatable(windows.item, known))
        attention, copied = (each.nan_to_num(nan=0.0) for each in (reading.attention, reading.copied))
        reading = replace(reading, attention=attention, copied=copied)
        return Moments(reading, windows, step + 1, seen)

    def _before(
        self,
        timeline: Timeline,
        h: Tensor,
        event: NDArray[np.int64],
        seen: NDArray[np.uint8] | None,
        known: int,
    ) -> Moments:
        """The moments right before these events; h [n, H] are the states after each of the batch."""
        user = timeline.batch.user[event]
        before = h[torch.from_numpy(np.maximum(event - 1, 0)).to(self.device)]  # [P, H]
        first = np.flatnonzero(timeline.position[event] == 0)
        last_layer = stored(self._network, timeline.memory, "h", user[first])[:, -self.config.hidden :]
        before[torch.from_numpy(first).to(self.device)] = last_layer
        return self._moments(timeline, before, user, timeline.step[event] - 1, seen, known)

    def _mix(self, experts: Experts, timeline: Timeline, h: Tensor) -> None:
        """Teach the mixer some of the batch's events, by what is said of them before any of the batch is counted."""
        batch, known = timeline.batch, min(experts.known, self._candidates.known)
        event = np.flatnonzero((batch.item > 0) & (batch.item <= known))
        count = min(self.config.mixing_events, -(-len(batch) // _MIXING_STRIDE))
        if len(event) > count:
            event = event[(np.arange(count) * len(event)) // count]
        if not len(event):
            return
        seen = seen_before(timeline, event) if self.config.repeats == "filter" else None
        moments = self._before(timeline, h, event, seen, known)
        target = torch.from_numpy(batch.item[event]).to(self.device)
        weight = TYPE_WEIGHT[batch.type[event]]
        # Each step of the mixer speaks before the next one's events are scored.
        for low in range(0, len(event), MIXER_EVENTS):
            part = slice(low, low + MIXER_EVENTS)
            for block in mixture.blocks(
                self._network, self._table.rows, self._candidates, experts, moments[part], known
            ):
                if block.voices is not None:
                    experts.learn(block.voices.verdicts(target[part][block.rows], weight[part][block.rows]))

    def _predict(self, event: NDArray[np.int64], moments: Moments) -> Predictions:
        items, categories, reasons = self._top
        known = self._candidates.known
        size, top = len(event), min(items, known)
        item, item_p = np.zeros((size, items), np.int64), np.zeros((size, items), np.float32)
        category, category_p = np.zeros((size, categories), np.int64), np.zeros((size, categories), np.float32)
        share = np.zeros(moments.windows.item.shape)
        for block in mixture.blocks(self._network, self._table.rows, self._candidates, self._experts, moments, known):
            best_p, best = largest(block.p, top)  # [p, k]
            best = best * (best_p > 0)
            item[block.rows, :top], item_p[block.rows, :top] = best.cpu().numpy(), best_p.cpu().numpy()
            best_category, best_category_p = self._candidates.categories(block.p, categories)
            category[block.rows] = best_category.cpu().numpy()
            category_p[block.rows] = best_category_p.cpu().numpy()
            if top and reasons:
                share[block.rows] = explanation.shares(block, moments, self._experts, best[:, 0])
        because, weight = explanation.heaviest(moments.windows.item, share, reasons)
        return Predictions(
            event=event,
            item=item,
            item_p=item_p,
            other_p=np.maximum(0, 1 - item_p.sum(1, dtype=np.float64)).astype(np.float32),
            category=category,
            category_p=category_p,
            because=because,
            because_weight=weight,
            model_version=self._version,
        )

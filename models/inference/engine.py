"""One step of the whole system: events and memories in, new memories and interest distributions out.

An event costs one recurrent step from the stored state and one attention over its ring; no history is run again. The
experts live here, too: some of the batch's events are scored by what was said before they came, which teaches the
mixer, then the predictions are made, then all events are counted. So predictions depend on how the stream is cut into
batches; `h`, `c`, ring and all else in the rows do not, nor on the experts.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig
from models.data.events import TYPE_WEIGHT, EventBatch
from models.data.seen_items import mark_seen, seen_after_each, seen_before
from models.data.timeline import Timeline
from models.device import compute_device, require_dtype
from models.errors import UnknownItemError, WeightsError
from models.experts import mixture
from models.experts.candidates import Candidates
from models.experts.count_experts import CountExperts
from models.experts.gate import GATE_BATCH_EVENTS
from models.experts.mixture import PredictionContexts
from models.inference.predictions import Predictions
from models.inference.topk import Top, read_out
from models.items.reviews import Reviews
from models.items.vocabulary import ItemVocabulary
from models.metrics.popularity_baseline import DecayedPopularity
from models.metrics.prequential_sample import PrequentialSample, draw_events
from models.metrics.ranking import Scores, place
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings
from models.network.recurrence import load_states, lstm_step, recompute_states, repair_nonfinite_states
from models.network.weights import Weights

_POPULARITY = "decayed-popularity"
_REVIEWS = "reviews."


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one batch changed."""

    rows: NDArray[np.void]
    """[U] the rows after the batch; fields that the model does not know are as they were"""
    predictions: Predictions
    nonfinite_rows: NDArray[np.int64]
    """Rows whose recurrent state was not finite. Where it became so in this step, the old `h`, `c` are kept; where it
    was so before, they were recomputed from the stored history first. All other fields advanced as usual"""
    sample: PrequentialSample | None = None
    """Some of the events, scored before the batch was counted; None where none has an item"""


class Engine:
    """The network at work. One thread at a time may step; any thread may hand over new weights."""

    def __init__(
        self,
        config: ModelConfig,
        items: ItemVocabulary,
        top_items: int = 10,
        top_categories: int = 5,
        top_because: int = 3,
    ) -> None:
        self.config = config
        require_dtype(config)
        self.device = compute_device(config)
        self._dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
        self._items = items
        self._top = Top(top_items, top_categories, min(top_because, config.history_length))
        self._network = self._place(InterestNetwork(config))
        self._table = ItemEmbeddings(self._network, items.content)
        self._candidates = Candidates(items, self.device)
        self._experts = CountExperts(config) if config.experts else None
        self._popularity = DecayedPopularity()
        self._lock = threading.Lock()
        self._incoming: tuple[int, InterestNetwork, ItemEmbeddings] | None = None
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
        table = ItemEmbeddings(placed, self._items.content)
        table.refresh()
        with self._lock:
            self._incoming = weights.version, placed, table

    def experts(self) -> dict[str, NDArray[Any]]:
        """Copy of all counts, of the mixer and of what reviews said, for a checkpoint; any thread may ask."""
        counts = {} if self._experts is None else self._experts.state()
        with self._lock:
            counts[_POPULARITY] = self._popularity.state()
        reviews = {} if self._items.content is None else self._items.content.state()
        return counts | {_REVIEWS + name: array for name, array in reviews.items()}

    def restore(self, experts: Mapping[str, NDArray[Any]]) -> None:
        """Count and mix on from `experts`; nothing changes where they are empty. WeightsError where they do not fit."""
        counts = dict(experts)
        reviews = {name.removeprefix(_REVIEWS): counts.pop(name) for name in experts if name.startswith(_REVIEWS)}
        popularity = counts.pop(_POPULARITY, None)
        if self._items.content is not None:
            self._items.content.restore(reviews)
        if popularity is not None:
            with self._lock:
                self._popularity.restore(popularity)
        if self._experts is not None and counts:
            self._experts.restore(counts)

    @torch.inference_mode()
    def step(self, batch: EventBatch, memory: NDArray[np.void], per: Literal["user", "event"] = "user") -> StepResult:
        """Advance the memories [U] by the batch and predict after each user's last event, or after each event.

        A prediction knows its user's events up to then, and of all others what was counted before the batch.
        """
        self._catch_up()
        self._check(memory, batch)
        memory, broken = repair_nonfinite_states(self._network, self._table.weight, memory)
        reviews = Reviews.of(batch, self._items.content)
        timeline = Timeline(batch, memory, reviews.codes)
        states = lstm_step(self._network, self._table.weight, timeline)
        sample = self._sample(timeline, states.h)
        event = timeline.last_events() if per == "user" else np.arange(len(batch))
        timeline.advance(states.rows)
        seen = None
        if not self.config.allow_repeats:
            if per == "event":
                seen = seen_after_each(timeline)
                last = timeline.last_events()
                states.rows["seen"][batch.user[last]] = seen[last]
            else:
                mark_seen(states.rows["seen"], batch.user, batch.item)
                seen = states.rows["seen"][batch.user[event]]
        h = states.h[torch.from_numpy(event).to(self.device)]
        contexts = self._contexts(
            timeline, h, batch.user[event], timeline.event_number[event], seen, self._candidates.known
        )
        predictions = self._predict(event, contexts)
        # Last of all: a prediction made amid the batch must not know, through the counts, what came after it.
        self._count(timeline)
        reviews.apply_to_items()
        return StepResult(states.rows, predictions, np.union1d(broken, states.nonfinite_rows), sample)

    @torch.inference_mode()
    def replay(self, batch: EventBatch, memory: NDArray[np.void]) -> NDArray[np.void]:
        """The memories [U] after events of the past: counted, but nothing is predicted and the mixer learns nothing.

        For events that the weights were learnt from: how well these foresee them tells the mixer nothing true.
        """
        self._catch_up()
        self._check(memory, batch)
        reviews = Reviews.of(batch, self._items.content)
        timeline = Timeline(batch, memory, reviews.codes)
        after = lstm_step(self._network, self._table.weight, timeline).rows
        timeline.advance(after)
        if not self.config.allow_repeats:
            mark_seen(after["seen"], batch.user, batch.item)
        self._count(timeline)
        reviews.apply_to_items()
        return after

    @torch.inference_mode()
    def recompute_states(self, memory: NDArray[np.void]) -> NDArray[np.void]:
        """[U] copy of the memories whose `h`, `c` are those of the rings' events alone, under the present weights."""
        self._catch_up()
        self._check(memory)
        return recompute_states(self._network, self._table.weight, memory)

    @torch.inference_mode()
    def score(self, batch: EventBatch, memory: NDArray[np.void], known: int | None = None) -> Scores:
        """What would be said right before each event, and how well that foresees its item; nothing is learnt.

        Candidates are the items up to index `known` (default: all that are known now), less those that are filtered.
        Counts are those before the batch.
        """
        self._catch_up()
        known = self._candidates.known if known is None else known
        self._check(memory, batch)
        memory, _ = repair_nonfinite_states(self._network, self._table.weight, memory)
        timeline = Timeline(batch, memory, Reviews.of(batch, self._items.content).codes)
        every = np.arange(len(batch))
        seen = None
        if not self.config.allow_repeats:
            seen = np.roll(seen_after_each(timeline), 1, axis=0)  # [n, bytes]
            first = np.flatnonzero(timeline.position == 0)
            seen[first] = memory["seen"][batch.user[first]]
        contexts = self._before(timeline, lstm_step(self._network, self._table.weight, timeline).h, every, seen, known)
        scores = Scores(*(np.full(len(batch), np.nan) for _ in range(4)))
        target = torch.from_numpy(np.where(batch.item <= known, batch.item, 0)).to(self.device)
        for block in self._blocks(contexts, known):
            item = target[block.rows]
            top1_p, top1 = block.p.max(1)
            hit = (top1 == item) & (top1 > 0)
            scores.rank[block.rows], scores.log_p[block.rows] = place(block.p, block.allowed, item)
            scores.top1_p[block.rows], scores.top1_hit[block.rows] = top1_p.double().cpu(), hit.double().cpu()
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

    def _count(self, timeline: Timeline) -> None:
        batch = timeline.batch
        if self._experts is not None:
            self._experts.observe(timeline)
        with self._lock:
            self._popularity.observe(batch.item[np.argsort(batch.time_ms, kind="stable")])

    def _check(self, memory: NDArray[np.void], batch: EventBatch | None = None) -> None:
        # An index beyond the table is an assertion inside a CUDA kernel, and the device is lost to the process.
        of_batch = 0 if batch is None else int(batch.item.max(initial=0))
        largest = max(int(memory["ring_item"].max(initial=0)), of_batch)
        if largest > self._candidates.known:
            raise UnknownItemError(largest, self._candidates.known)

    def _contexts(
        self,
        timeline: Timeline,
        h: Tensor,
        user: NDArray[np.int64],
        step: NDArray[np.int64],
        seen: NDArray[np.uint8] | None,
        known: int,
    ) -> PredictionContexts:
        """The moments right after these steps of these users, with the states h [P, H] there."""
        network, windows = self._network, timeline.windows(user, step)
        window = network.embed(self._table.weight, FeatureTensors.of(windows.features, self.device))  # [P, K, D]
        reading = network.step(h, window, windows, self._candidates.repeatable(windows.item, known))
        attention, copied = (each.nan_to_num(nan=0.0) for each in (reading.attention, reading.copied))
        reading = replace(reading, attention=attention, copied=copied)
        return PredictionContexts(reading, windows, step + 1, seen)

    def _before(
        self,
        timeline: Timeline,
        h: Tensor,
        event: NDArray[np.int64],
        seen: NDArray[np.uint8] | None,
        known: int,
    ) -> PredictionContexts:
        """The moments right before these events; h [n, H] are the states after each of the batch."""
        user = timeline.batch.user[event]
        before = h[torch.from_numpy(np.maximum(event - 1, 0)).to(self.device)]  # [P, H]
        first = np.flatnonzero(timeline.position[event] == 0)
        last_layer = load_states(self._network, timeline.rows, "h", user[first])[:, -self.config.hidden_size :]
        before[torch.from_numpy(first).to(self.device)] = last_layer
        return self._contexts(timeline, before, user, timeline.event_number[event] - 1, seen, known)

    def _sample(self, timeline: Timeline, h: Tensor) -> PrequentialSample | None:
        """Score some of the batch's events by what is said of them before any of it is counted; the mixer learns it."""
        batch, experts = timeline.batch, self._experts
        event = draw_events(batch, self.config.sampled_events)
        if not len(event):
            return None
        sample, known = PrequentialSample.all_missed(event), min(self._popularity.known, self._candidates.known)
        met = np.flatnonzero(batch.item[event] <= known)
        event = event[met]
        seen = seen_before(timeline, event) if not self.config.allow_repeats else None
        contexts = self._before(timeline, h, event, seen, known)
        popular = torch.from_numpy(self._popularity.weights(known + 1)).to(self.device)  # [N + 1]
        target = torch.from_numpy(batch.item[event]).to(self.device)
        weight = TYPE_WEIGHT[batch.type[event]]
        # Each step of the mixer speaks before the next one's events are scored.
        for low in range(0, len(event), GATE_BATCH_EVENTS):
            part = slice(low, low + GATE_BATCH_EVENTS)
            for block in self._blocks(contexts[part], known):
                row, item = met[part][block.rows], target[part][block.rows]
                allowed = block.allowed  # [p, N + 1]
                sample.rank[row], sample.log_p[row] = place(block.p, allowed, item)
                total = allowed.double() @ popular  # [p]
                sample.popular_rank[row], sample.popular_log_p[row] = place(popular, allowed, item, total)
                if experts is not None and block.voices is not None:
                    experts.learn(block.voices.gate_examples(item, weight[part][block.rows]))
        return sample

    def _predict(self, event: NDArray[np.int64], contexts: PredictionContexts) -> Predictions:
        blocks = self._blocks(contexts, self._candidates.known)
        return read_out(event, contexts, blocks, self._candidates, self._experts, self._top, self._version)

    def _blocks(self, contexts: PredictionContexts, known: int) -> Iterator[mixture.Block]:
        return mixture.blocks(self._network, self._table.weight, self._candidates, self._experts, contexts, known)

"""The inference engine: a micro-batch of events and their users' rows in, new rows and predictions out.

An event costs one LSTM step from the stored state and one attention over the stored history; no history is run again.
A step changes nothing but what it returns. Once its rows are committed, `observe` counts its events and teaches the
gate of the experts. So predictions depend on how the stream is cut into batches; `h`, `c`, the history and all other
fields of the rows do not, and they do not depend on the experts.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.influence import NO_LIMITS, InfluenceLimits
from models.data.new_events import NewEvents
from models.data.seen_items import mark_seen, seen_after_each, seen_before_each
from models.data.timeline import Timeline
from models.device import compute_device, explain_out_of_memory, require_dtype
from models.errors import HorizonsError, UnknownItemError, WeightsError
from models.experts import mixture
from models.experts.candidates import Candidates, CandidateSizes
from models.experts.gate import GateExamples
from models.experts.mixture import MixtureBlock, PredictionContexts
from models.inference.horizon_model import HorizonModel
from models.inference.outlook import BlockOutlook, outlook_after, outlook_of
from models.inference.predictions import ModelVersion, Outlook, Predictions
from models.inference.sample_scores import draw_from_rows, score_events, score_targets
from models.inference.saved_counts import restore_counts, save_counts
from models.inference.served_model import ServedModel
from models.inference.step_result import StepResult
from models.inference.stream_counts import Arrays, StreamCounts
from models.inference.topk import TopSizes, top_predictions
from models.items.reviews import Reviews
from models.items.vocabulary import ItemVocabulary
from models.metrics.prequential_sample import PrequentialSample, draw_events
from models.metrics.ranking import TargetScores
from models.network.recurrence import lstm_step, rebuild_states, recompute_states, repair_nonfinite_states
from models.network.weights import Weights
from models.transfers import to_device

Seconds = NDArray[np.float64]
Lineage = NDArray[np.uint32] | None
_MEMORY_ADVICE = "lower worker.step_max_events or items.capacity (all are scored), or set model.dtype = 'bfloat16'"


class Engine:
    """Network, experts and candidates at work, in one thread at a time."""

    @explain_out_of_memory(_MEMORY_ADVICE)
    def __init__(
        self,
        config: ModelConfig,
        items: ItemVocabulary,
        top_items: int = 10,
        top_categories: int = 5,
        top_because: int = 3,
        sizes: CandidateSizes | None = None,
        limits: InfluenceLimits = NO_LIMITS,
    ) -> None:
        """`limits`: which events of a user have little or no influence on counts and gate."""
        self.config = config
        require_dtype(config)
        self.device = compute_device(config)
        self._items = items
        self.register = items.register
        self._top = TopSizes(top_items, top_categories, min(top_because, config.history_length))
        self._model = ServedModel.of(config, self.device, items)
        self.candidates = Candidates(items, self.device, sizes)
        """Which items may be predicted, as of the last step"""
        self.counts = StreamCounts(config, limits, items.register.count)
        self.horizons = HorizonModel(config, self.device) if config.horizons else None
        """None where `model.horizons` is off"""

    @property
    def version(self) -> ModelVersion:
        """Lineage and version of the weights that the next step uses."""
        return self._model.version

    @explain_out_of_memory(_MEMORY_ADVICE)
    def update(self, weights: Weights) -> None:
        """Go on with these weights. WeightsError where they are not finite or do not fit; then nothing changed."""
        if not weights.finite():
            raise WeightsError(f"weights {weights.version} are not finite; the engine keeps those it has")
        self._model = ServedModel.of(self.config, self.device, self._items, weights)

    def experts(self) -> dict[str, NDArray[Any]]:
        """Copy of all counts, gate, mean reviews, times of items and heads, for a checkpoint."""
        return save_counts(self.counts, self._items, self.horizons)

    def restore(self, experts: Arrays, registered: int | None = None) -> None:
        """Go on from `experts()`, if any, as of so many registrations (None: all). WeightsError if it does not fit."""
        restore_counts(self.counts, self._items, experts, registered, self.horizons)

    @explain_out_of_memory(_MEMORY_ADVICE)
    @torch.inference_mode()
    def step(
        self,
        batch: EventBatch,
        rows: NDArray[np.void],
        per: Literal["user", "event"] = "user",
        lineage: Lineage = None,
    ) -> StepResult:
        """Advance the rows [U] by the batch and predict after each user's last event, or after each event.

        A prediction is made from its user's events up to there, and from the counts before the batch. `lineage` [U] is
        that of the weights that computed each row's `h`, `c`, 0 where it is not known: rows of another one than the
        present weights' are recomputed first. None: of no row.
        """
        self._refresh(rows, batch)
        model = self._model
        rows, rebuilt = rebuild_states(model.network, model.item_table, rows, lineage)
        rows, repaired = repair_nonfinite_states(model.network, model.item_table, rows)
        reviews = Reviews.of(batch, self._items.content)
        timeline = Timeline(batch, rows, reviews.codes)
        states = lstm_step(model.network, model.item_table, timeline)
        sample, gate_examples = self._score_sample(timeline, states.h)
        event = timeline.last_events() if per == "user" else np.arange(len(batch))
        after = states.rows
        timeline.advance(after)
        seen = None
        if not self.config.allow_repeats:
            index = self.register.indices(batch.item)
            if per == "event":
                seen = seen_after_each(timeline, index)
                last = timeline.last_events()
                after["seen"][batch.user[last]] = seen[last]
            else:
                mark_seen(after["seen"], batch.user, index)
                seen = after["seen"][batch.user[event]]
        h = states.h[to_device([event], self.device)[0]]  # [P, H]
        user, number, known = batch.user[event], timeline.event_number[event], self.candidates.known
        profile = timeline.profiles(event)
        contexts = model.contexts_after(timeline, h, user, number, seen, self.candidates, known, profile)
        outlook = outlook_after(self.horizons, after, timeline, event, contexts.windows, self.candidates, self._top)
        predictions = self._predict(event, contexts, outlook)
        nonfinite_rows = np.union1d(repaired, states.nonfinite_rows)
        return StepResult(after, predictions, nonfinite_rows, timeline.count, rebuilt, sample, gate_examples, reviews)

    def observe(self, step: StepResult) -> None:
        """Count the events of a step, and let the gate learn from its sample. To be called once for each step."""
        self.counts.teach_gate(step.gate_examples)
        self.counts.count(NewEvents.of(step.rows, step.new_events, self.counts.limits))
        if step.reviews is not None:
            step.reviews.apply_to_items()

    @explain_out_of_memory(_MEMORY_ADVICE)
    @torch.inference_mode()
    def replay(self, batch: EventBatch, rows: NDArray[np.void]) -> NDArray[np.void]:
        """The rows [U] after past events: these are counted, but nothing is predicted and the gate does not learn.

        For events that the weights were trained on: the network predicts those too well to teach the gate.
        """
        self._refresh(rows, batch)
        reviews = Reviews.of(batch, self._items.content)
        timeline = Timeline(batch, rows, reviews.codes)
        after = lstm_step(self._model.network, self._model.item_table, timeline).rows
        timeline.advance(after)
        if not self.config.allow_repeats:
            mark_seen(after["seen"], batch.user, self.register.indices(batch.item))
        self.counts.count(NewEvents.of(after, timeline.count, self.counts.limits))
        reviews.apply_to_items()
        return after

    @explain_out_of_memory(_MEMORY_ADVICE)
    @torch.inference_mode()
    def recompute_states(self, rows: NDArray[np.void]) -> NDArray[np.void]:
        """[U] copy of the rows whose `h`, `c` come from the stored history alone, under the present weights."""
        self._refresh(rows)
        return recompute_states(self._model.network, self._model.item_table, rows)

    @explain_out_of_memory(_MEMORY_ADVICE)
    @torch.inference_mode()
    def outlook(self, rows: NDArray[np.void], silent_s: Seconds, lineage: Lineage = None) -> Outlook:
        """What the users of these rows [U], silent for so many seconds [U], will do within each of HORIZON_DAYS.

        Rows are not changed, and need have no events. `lineage` as in `step`. HorizonsError where `model.horizons` is
        off.
        """
        if self.horizons is None:
            raise HorizonsError
        rows, contexts, blocks = self.distributions(rows, lineage)
        return outlook_of(self.horizons, rows, silent_s, contexts.windows, blocks, self.candidates, self._top)

    @torch.inference_mode()
    def return_p(self, rows: NDArray[np.void], silent_s: Seconds, lineage: Lineage = None) -> NDArray[np.float32]:
        """[U, H] `return_p` of `outlook` alone, at a hundredth of its cost: no item is scored."""
        if (horizons := self.horizons) is None:
            raise HorizonsError
        return horizons.return_p(horizons.signals(self._with_states(rows, lineage), silent_s))

    def _with_states(self, rows: NDArray[np.void], lineage: Lineage) -> NDArray[np.void]:
        """The rows with usable states of the present weights."""
        self._refresh(rows)
        parts = self._model.network, self._model.item_table
        return repair_nonfinite_states(*parts, rebuild_states(*parts, rows, lineage)[0])[0]

    def distributions(
        self, rows: NDArray[np.void], lineage: Lineage = None
    ) -> tuple[NDArray[np.void], PredictionContexts, Iterator[MixtureBlock]]:
        """Rows with usable states, and what their users' next events are predicted from and to be; lineage as above."""
        rows, known = self._with_states(rows, lineage), self.candidates.known
        contexts = self._model.contexts_now(rows, self.candidates, known)
        return rows, contexts, self._blocks(contexts, known)

    @explain_out_of_memory(_MEMORY_ADVICE)
    @torch.inference_mode()
    def score(self, batch: EventBatch, rows: NDArray[np.void], known: int | None = None) -> TargetScores:
        """Score each event's item by the distribution predicted right before the event; nothing is learnt.

        Candidates are the items up to index `known` (default: all that are known now), less those that are filtered.
        Counts are those before the batch.
        """
        self._refresh(rows, batch)
        model, known = self._model, self.candidates.known if known is None else known
        rows, _ = repair_nonfinite_states(model.network, model.item_table, rows)
        timeline = Timeline(batch, rows, Reviews.of(batch, self._items.content).codes)
        index = None if self.config.allow_repeats else self.register.indices(batch.item)
        seen = None if index is None else seen_before_each(timeline, index)  # [n, bytes]
        h = lstm_step(model.network, model.item_table, timeline).h
        contexts = model.contexts_before(timeline, h, np.arange(len(batch)), seen, self.candidates, known)
        return score_targets(batch.item, known, self._blocks(contexts, known), self.device)

    @explain_out_of_memory(_MEMORY_ADVICE)
    @torch.inference_mode()
    def observe_rows(
        self, rows: NDArray[np.void], new_events: NDArray[np.int64]
    ) -> tuple[PrequentialSample | None, NewEvents]:
        """Score some of the last `new_events` [U] of each row's events, let the gate learn from them, then count all.

        For who has committed rows but not the step that made them: states before an event are recomputed from the
        history in the row. The sample's `event` is an index into the new events, user after user.
        Also what was counted.
        """
        self._refresh(rows)
        sample = None
        if (drawn := draw_from_rows(rows, new_events, self.config.sampled_events, self.register)) is not None:
            model, event = self._model, np.arange(len(drawn.batch))
            timeline = Timeline(drawn.batch, recompute_states(model.network, model.item_table, drawn.rows))
            h = model.network.gap.new_zeros(len(event), self.config.hidden_size)  # each event is the first of its user
            sample, examples = score_events(model, self.candidates, self.counts, timeline, h, event, drawn.number)
            self.counts.teach_gate(examples)
            sample = replace(sample, event=drawn.event)
        events = NewEvents.of(rows, new_events, self.counts.limits)
        self.counts.count(events)
        return sample, events

    @torch.inference_mode()
    def put_weights(
        self, version: ModelVersion, shared: Arrays, item: NDArray[np.int64], embedding: Tensor, bias: Tensor
    ) -> None:
        """Go on with these weights in place, between two steps; `embedding` [n, D] is E' of the items.

        The slots are those of now. WeightsError where they do not fit; then nothing changed.
        """
        self._follow(len(self._items))  # else the next step would begin anew what comes now
        self._model = self._model.put(version, shared, item, embedding, bias)

    def _follow(self, known: int) -> None:
        self._model.refresh(known, self.register)
        self.counts.grow(known + 1)
        self.counts.follow(self.register)

    def _refresh(self, rows: NDArray[np.void], batch: EventBatch | None = None) -> None:
        """Follow new weights and the vocabulary. UnknownItemError where rows or batch have an item beyond it."""
        self.candidates.refresh()
        self._follow(known := self.candidates.known)
        # An index beyond the table is an assertion inside a CUDA kernel, and the device is lost to the process.
        largest = max(int(rows["ring_item"].max(initial=0)), 0 if batch is None else int(batch.item.max(initial=0)))
        if largest > known:
            raise UnknownItemError(largest, known)

    def _score_sample(self, timeline: Timeline, h: Tensor) -> tuple[PrequentialSample | None, list[GateExamples]]:
        """Score some of the batch's events before any of it is counted; also what the gate may learn from them."""
        if not len(event := draw_events(timeline.batch, self.config.sampled_events)):
            return None, []
        return score_events(self._model, self.candidates, self.counts, timeline, h, event, timeline.event_number[event])

    def _predict(
        self, event: NDArray[np.int64], contexts: PredictionContexts, outlook: BlockOutlook | None
    ) -> Predictions:
        blocks = self._blocks(contexts, self.candidates.known)
        blocks = blocks if outlook is None else outlook.reading(blocks)
        counts = None if self.counts.experts is None else self.counts.experts.counts
        made = top_predictions(event, contexts, blocks, self.candidates, counts, self._top, self._model.version)
        if outlook is None:
            return made
        return replace(made, outlook=outlook.outlook, outlook_row=outlook.row_of())

    def _blocks(self, contexts: PredictionContexts, known: int) -> Iterator[MixtureBlock]:
        parts = self._model.network, self._model.item_table
        return mixture.predict_blocks(*parts, self.candidates, self.counts.experts, contexts, known)

"""Scores of some events of a stream, each by what is predicted right before it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.earlier_rows import earlier_rows
from models.data.events import TYPE_WEIGHT, EventBatch
from models.data.influence import newest_influence
from models.data.seen_items import seen_before
from models.data.timeline import Timeline
from models.experts import mixture
from models.experts.candidates import Candidates
from models.experts.gate import GateExamples
from models.experts.mixture import MixtureBlock
from models.inference.served_model import ServedModel
from models.inference.stream_counts import StreamCounts
from models.items.register import ItemRegister
from models.metrics.prequential_sample import PrequentialSample, draw_events
from models.metrics.ranking import TargetScores, target_rank
from models.transfers import to_device, to_host


@dataclass(frozen=True, slots=True)
class DrawnEvents:
    """m events drawn from new ones, each as the only one of its batch row."""

    event: NDArray[np.int64]
    """[m] index of the event among the new ones, user after user"""
    batch: EventBatch
    rows: NDArray[np.void]
    """[m] the user's row before the event, with `h`, `c` still to be recomputed"""
    number: NDArray[np.int64]
    """[m] number of the event among all of its user, from 0"""


def draw_from_rows(
    rows: NDArray[np.void], new_events: NDArray[np.int64], limit: int, register: ItemRegister
) -> DrawnEvents | None:
    """Some of the last `new_events` [U] of each row's events, as `draw_events` does; None where none has an item."""
    ring = rows["ring_item"].shape[1]
    held = np.minimum(new_events, ring)
    user = np.repeat(np.arange(len(rows)), held)
    later = np.repeat(np.cumsum(held), held) - 1 - np.arange(len(user))  # [n] events of the user after this one
    number = rows["steps"][user].astype(np.int64) - 1 - later
    item = rows["ring_item"][user, number % ring].astype(np.int64)
    kind = rows["ring_type"][user, number % ring].astype(np.int64)
    event = draw_events(EventBatch(user, item, kind, rows["last_time_ms"][user]), limit)
    if not len(event):
        return None
    before = earlier_rows(rows, user[event], later[event] + 1, register.indices)
    batch = EventBatch(np.arange(len(event)), item[event], kind[event], before["last_time_ms"])
    return DrawnEvents(event, batch, before, number[event])


def score_events(
    model: ServedModel,
    candidates: Candidates,
    counts: StreamCounts,
    timeline: Timeline,
    h: Tensor,
    event: NDArray[np.int64],
    number: NDArray[np.int64],
) -> tuple[PrequentialSample, list[GateExamples]]:
    """Scores of these events [m], and what the gate may learn from them.

    `h` [n, H] are the states after each event of the timeline, `number` [m] the number of each scored event among all
    of its user, from 0.
    """
    batch, allow_repeats = timeline.batch, model.network.config.allow_repeats
    sample, known = PrequentialSample.all_missed(event), min(counts.popularity.known, candidates.known)
    possible = np.flatnonzero(batch.item[event] <= known)
    event = event[possible]
    seen = None if allow_repeats else seen_before(timeline, event, candidates.register.indices(batch.item))
    contexts = model.contexts_before(timeline, h, event, seen, candidates, known, number[possible])
    # popular: [N + 1]
    popular, target = to_device([counts.popularity.weights(known + 1), batch.item[event]], h.device)
    windows = timeline.windows(batch.user[event], timeline.event_number[event])
    influence = newest_influence(windows, counts.limits.of_predictions(allow_repeats))
    weight = TYPE_WEIGHT[batch.type[event]] * influence
    examples = []
    for block in mixture.predict_blocks(model.network, model.item_table, candidates, counts.experts, contexts, known):
        row, item = possible[block.rows], target[block.rows]
        is_candidate = block.is_candidate  # [p, N + 1]
        sample.rank[row], sample.log_p[row] = target_rank(block.p, is_candidate, item)
        total = is_candidate.double() @ popular  # [p]
        sample.popular_rank[row], sample.popular_log_p[row] = target_rank(popular, is_candidate, item, total)
        if block.outputs is not None:
            examples.append(block.outputs.gate_examples(item, weight[block.rows]))
    return sample, examples


def score_targets(
    item: NDArray[np.int64], known: int, blocks: Iterable[MixtureBlock], device: torch.device
) -> TargetScores:
    """Scores of the items [n] that came, from the distributions predicted before each, over those up to `known`."""
    scores = TargetScores(*(np.full(len(item), np.nan) for _ in range(4)))
    (target,) = to_device([np.where(item <= known, item, 0)], device)
    for block in blocks:
        came = target[block.rows]
        top1_p, top1 = block.p.max(1)
        hit = (top1 == came) & (top1 > 0)
        scores.rank[block.rows], scores.log_p[block.rows] = target_rank(block.p, block.is_candidate, came)
        scores.top1_p[block.rows], scores.top1_hit[block.rows] = to_host([top1_p.double(), hit.double()])
    for column in (scores.rank, scores.log_p, scores.top1_p, scores.top1_hit):
        column[item == 0] = np.nan
    return scores

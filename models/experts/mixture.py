"""The mixture: one distribution over all items from those of the network and of the count experts.

The equations are those of gate.py. Each expert's distribution is confined to the candidates, so the mixture sums to one
over these. It is exact over all items, computed in blocks of predictions so that memory stays bounded.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.user_state import Windows
from models.experts.candidates import MASKED, Candidates
from models.experts.count_experts import HistoryScores
from models.experts.gate import log_confidence
from models.experts.mixture_state import MixtureState
from models.experts.outputs import MIN_P, ExpertOutputs, Popularity
from models.experts.popularity_counts import SMOOTHING
from models.network.interest_network import InterestNetwork
from models.network.outputs import NetworkOutput
from models.transfers import to_device, to_host


@dataclass(frozen=True, slots=True)
class PredictionContexts:
    """P points in users' histories, each right after an event: all that a prediction is made from."""

    network_output: NetworkOutput
    windows: Windows
    """Newest event first"""
    event_counts: NDArray[np.int64]
    """[P] events of the user so far"""
    seen: NDArray[np.uint8] | None
    """[P, bytes] bitmap of the items that the user had; None where they may come back"""

    def __getitem__(self, rows: slice) -> "PredictionContexts":
        windows = Windows(self.windows.features[rows], self.windows.valid[rows])
        seen = None if self.seen is None else self.seen[rows]
        return PredictionContexts(self.network_output[rows], windows, self.event_counts[rows], seen)


@dataclass(frozen=True, slots=True)
class MixtureBlock:
    """The distributions of some of the P predictions."""

    rows: slice
    """Which of the P"""
    p: Tensor
    """[p, N + 1] sums to one; all zero where there is no candidate"""
    candidate_mask: Tensor
    """[p or 1, N + 1] 1 where an item may be predicted, else 0"""
    outputs: ExpertOutputs | None
    """None where the network predicts alone"""

    @property
    def is_candidate(self) -> Tensor:
        """[p, N + 1] the mask as bool, for each prediction."""
        return (self.candidate_mask > 0).expand_as(self.p)


def predict_blocks(
    network: InterestNetwork,
    table: Tensor,
    candidates: Candidates,
    state: MixtureState | None,
    contexts: PredictionContexts,
    known: int,
) -> Iterator[MixtureBlock]:
    """Distributions over the items up to `known`, block by block; without `state`, those of the network alone."""
    (last_items,) = to_device([contexts.windows.item], candidates.device)  # [P, K]
    popularity = None
    if state is not None:
        popularity = Popularity.of(state.counts.popularity(known + 1), candidates.device)
    interest = contexts.network_output.interest
    for rows, scores, mask in candidates.scores(network, table, interest, contexts.seen, known):
        copied = copied_item = None
        if network.copying is not None:
            copied = contexts.network_output.copied[rows].float()  # [p, K]
            copied_item = last_items[rows].clamp(max=known)  # [p, K]
        network_p, log_offset = _network_distribution(scores, copied, copied_item)
        if state is None or popularity is None:
            # A softmax over masked items alone is uniform, not zero.
            yield MixtureBlock(rows, network_p * mask, mask, None)
        else:
            log_network_p = (scores + log_offset).clamp_min_(math.log(MIN_P))  # [p, N + 1]
            if copied_item is not None:
                log_network_p.scatter_(1, copied_item, network_p.gather(1, copied_item).clamp_min(MIN_P).log())
            yield _mix(rows, network_p, log_network_p, mask, popularity, state, contexts[rows])


def _network_distribution(scores: Tensor, copied: Tensor | None, copied_item: Tensor | None) -> tuple[Tensor, Tensor]:
    """The network's p [p, N + 1]: softmax of the scores, mixed with the copy distribution; and log p - score [p, 1].

    `copied` [p, K] is the probability that the next event repeats the items `copied_item` [p, K], which the second
    result does not hold for.
    """
    p = scores.softmax(1)
    # A softmax is 1 / Σ exp where the score is largest.
    log_offset = p.amax(1, keepdim=True).log() - scores.amax(1, keepdim=True)  # [p, 1]
    if copied is None or copied_item is None:
        return p, log_offset
    not_copied = (1 - copied.sum(1, keepdim=True)).clamp_min(0)  # [p, 1]
    return (p * not_copied).scatter_add_(1, copied_item, copied), log_offset + not_copied.log()


def _mix(
    rows: slice,
    network_p: Tensor,
    log_network_p: Tensor,
    mask: Tensor,
    popularity: Popularity,
    state: MixtureState,
    contexts: PredictionContexts,
) -> MixtureBlock:
    history = state.counts.history_scores(contexts.windows.item, mask)
    columns, total = history.columns, history.total  # [F, p, 1]
    popularity_mass = (mask @ popularity.p.T).clamp_min(MIN_P)  # [p or 1, 4]
    base_mass = popularity_mass[:, -1:]
    # A history expert's distribution is scale · scores + smoothing · (undecayed popularity) / base_mass.
    scale = ((1 - SMOOTHING) / total).masked_fill(total <= 0, 0)  # [F, p, 1]
    smoothing = torch.full_like(total, SMOOTHING).masked_fill(total <= 0, 1)  # [F, p, 1]

    features = _gate_features(network_p, history, mask * popularity.p[-1], smoothing / base_mass, scale, contexts)
    product_weight, mixture_weight = (
        weights.float() for weights in to_device(state.gate.weights(features), network_p.device)
    )
    last = 1 + len(popularity.p)

    popular_share = mixture_weight[:, 1:last] / popularity_mass  # [p, 4]
    history_share = mixture_weight[:, last:-1].T.unsqueeze(2)  # [F, p, 1]
    popular_share[:, -1:] += (smoothing * history_share).sum(0) / base_mass
    p = (popular_share @ popularity.p).addcmul_(mixture_weight[:, :1], network_p)  # [p, N + 1]
    columns.add_to(p, history.values, scale * history_share)

    log_boost = _into_log_boost(history, popularity, scale / smoothing * base_mass)
    popular_weight = product_weight[:, 1:last].clone()  # [p, 4]
    history_weight = product_weight[:, last:].T.unsqueeze(2)  # [F, p, 1]
    popular_weight[:, -1:] += history_weight.sum(0)
    logits = (log_network_p * product_weight[:, :1]).addmm_(popular_weight, popularity.log_p)  # [p, N + 1]
    columns.add_to(logits, log_boost, history_weight)
    product_p = logits.sub_(1 - mask, alpha=MASKED).softmax(1)  # [p, N + 1]

    p = p.addcmul_(mixture_weight[:, -1:], product_p) * mask
    outputs = ExpertOutputs(
        network_p=network_p,
        popularity=popularity,
        popularity_mass=popularity_mass,
        smoothing=smoothing.squeeze(2),
        columns=columns,
        log_boost=log_boost,
        candidate_mask=mask,
        features=features,
        product_weight=product_weight,
        mixture_weight=mixture_weight,
        product_p=product_p,
    )
    return MixtureBlock(rows, p, mask, outputs)


def _into_log_boost(history: HistoryScores, popularity: Popularity, scale: Tensor) -> Tensor:
    """[F, p, M] log(1 + scale · scores / popularity): log of an expert's probability over its share of popularity.

    Computed in place, so that the scores are lost: this is the largest tensor of a prediction.
    """
    return history.values.mul_(history.columns.gather(popularity.inverse)).mul_(scale).log1p_()


def _gate_features(
    network_p: Tensor,
    history: HistoryScores,
    base: Tensor,
    base_scale: Tensor,
    scale: Tensor,
    contexts: PredictionContexts,
) -> NDArray[np.float64]:
    """[p, FEATURES] of the gate; an expert's distribution is scale · scores + base_scale · base."""
    # The first history expert's largest probability: of an item with a score, or of the most popular one.
    next_5 = (history.columns.gather(base) * base_scale[0]).addcmul_(history.values[0], scale[0]).amax(1)  # [p]
    next_5 = torch.maximum(next_5, base.amax(1) * base_scale[0].squeeze(1))
    (largest_p,) = to_host([torch.stack([network_p.amax(1), next_5]).double()])  # [2, p]
    count = contexts.event_counts
    return np.column_stack([np.ones(len(count)), np.log1p(count) / 5, count == 0, *log_confidence(largest_p)])

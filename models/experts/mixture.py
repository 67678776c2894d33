"""One distribution over all items out of what the network and the experts say.

The equations are those of mixer.py; each expert is first confined to the items that may be predicted, so that the
mixture sums to one over these. It is exact over all items, computed in blocks of moments so that memory stays bounded.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.user_state import Windows
from models.experts.candidates import FORBIDDEN, Candidates
from models.experts.count_experts import CountExperts
from models.experts.gate import log_confidence
from models.experts.outputs import LEAST, ExpertOutputs, Popularity
from models.experts.popularity_counts import SMOOTHING
from models.network.interest_network import InterestNetwork
from models.network.outputs import NetworkOutput


@dataclass(frozen=True, slots=True)
class PredictionContexts:
    """P moments in users' lives: all that a prediction comes from."""

    reading: NetworkOutput
    windows: Windows
    """Newest step first"""
    steps: NDArray[np.int64]
    """[P] events of the user so far"""
    seen: NDArray[np.uint8] | None
    """[P, bytes] bitmap of the items that the user had; None where they may come back"""

    def __getitem__(self, rows: slice) -> "PredictionContexts":
        windows = Windows(self.windows.features[rows], self.windows.valid[rows])
        return PredictionContexts(
            self.reading[rows], windows, self.steps[rows], None if self.seen is None else self.seen[rows]
        )


@dataclass(frozen=True, slots=True)
class Block:
    """The distributions of some of the moments."""

    rows: slice
    """Which of the P"""
    p: Tensor
    """[p, N + 1] sums to one; all zero where nothing may be predicted"""
    closed: Tensor
    """[p or 1, N + 1] 1 where an item may not be predicted, else 0"""
    voices: ExpertOutputs | None
    """None where the network speaks alone"""

    @property
    def allowed(self) -> Tensor:
        """[p, N + 1] what may be predicted."""
        return (self.closed == 0).expand_as(self.p)


def blocks(
    network: InterestNetwork,
    table: Tensor,
    candidates: Candidates,
    experts: CountExperts | None,
    contexts: PredictionContexts,
    known: int,
) -> Iterator[Block]:
    """Distributions over the items up to `known`, block by block."""
    window = torch.from_numpy(contexts.windows.item).to(candidates.device)  # [P, K]
    popularity = None
    if experts is not None:
        popularity = Popularity.of(experts.popular(known + 1), candidates.device)
    for rows, scores, closed in candidates.scores(network, table, contexts.reading.interest, contexts.seen, known):
        p = scores.softmax(1)  # [p, N + 1]
        # What the logarithm of p is more than the score: a softmax is 1 / Σ exp where the score is largest.
        level = p.amax(1, keepdim=True).log_() - scores.amax(1, keepdim=True)  # [p, 1]
        copies = None
        if network.copying is not None:
            copied, at = contexts.reading.copied[rows].float(), window[rows].clamp(max=known)  # [p, K] both
            rest = (1 - copied.sum(1, keepdim=True)).clamp_min_(0)
            p.mul_(rest).scatter_add_(1, at, copied)
            level += rest.log()
            copies = at
        if experts is None or popularity is None:
            # All would be left open where nothing is.
            yield Block(rows, p.mul_(1 - closed), closed, None)
            continue
        scores.add_(level).clamp_min_(math.log(LEAST))
        if copies is not None:
            scores.scatter_(1, copies, p.gather(1, copies).clamp_min_(LEAST).log_())
        yield _mixed(rows, p, scores, closed, popularity, experts, contexts)


def _mixed(
    rows: slice,
    network: Tensor,
    log_network: Tensor,
    closed: Tensor,
    popularity: Popularity,
    experts: CountExperts,
    contexts: PredictionContexts,
) -> Block:
    open_ = 1 - closed  # [p or 1, N + 1]
    popular_sum = (open_ @ popularity.p.T).clamp_min_(LEAST)  # [p or 1, 4]
    ever_sum = popular_sum[:, -1:]
    following = experts.follow(contexts.windows.item[rows], open_)
    places, each, total = following.places, following.each, following.total  # [F, p, M], [F, p, 1]
    silent = total <= 0
    gain = ((1 - SMOOTHING) / total).masked_fill_(silent, 0)
    smoothing = torch.full_like(total, SMOOTHING).masked_fill_(silent, 1)
    base = open_ * popularity.p[-1]  # [p or 1, N + 1]
    of_base = smoothing[0] / ever_sum  # [p, 1]
    skip5 = (places.pick(base) * of_base).addcmul_(each[0], gain[0]).amax(1)  # [p]
    # Where nothing follows, it is most where popularity is.
    skip5 = torch.maximum(skip5, base.amax(1) * of_base.squeeze(1))
    largest = torch.stack([network.amax(1), skip5]).double().cpu().numpy()  # [2, p]
    steps = contexts.steps[rows]
    features = np.column_stack([np.ones(len(steps)), np.log1p(steps) / 5, steps == 0, *log_confidence(largest)])
    weight, share = (
        torch.from_numpy(each).to(network.device, torch.float32) for each in experts.mixer.weights(features)
    )
    last = 1 + len(popularity.p)
    of_popular, of_following = share[:, 1:last] / popular_sum, share[:, last:-1].T.unsqueeze(2)  # [p, 4], [F, p, 1]
    of_popular[:, -1:] += (smoothing * of_following).sum(0) / ever_sum
    p = of_popular @ popularity.p  # [p, N + 1]
    p.addcmul_(share[:, :1], network)
    places.add(p, each, gain * of_following)
    # log(s q + g f) = log(s q) + log(1 + g f / s q), and what is alike for all items leaves the product as it is.
    lift = each.mul_(places.pick(popularity.rarity)).mul_(gain / smoothing * ever_sum).log1p_()  # [F, p, M]
    of_popular, of_following = weight[:, 1:last].clone(), weight[:, last:].T.unsqueeze(2)  # [p, 4], [F, p, 1]
    of_popular[:, -1:] += of_following.sum(0)
    score = log_network.mul_(weight[:, :1]).addmm_(of_popular, popularity.log)  # [p, N + 1]
    places.add(score, lift, of_following)
    product = score.sub_(closed, alpha=FORBIDDEN).softmax(1)  # [p, N + 1]
    p.addcmul_(share[:, -1:], product).mul_(open_)
    voices = ExpertOutputs(
        network,
        popularity,
        popular_sum,
        smoothing.squeeze(2),
        places,
        lift,
        open_,
        features,
        weight,
        share,
        product,
    )
    return Block(rows, p, closed, voices)

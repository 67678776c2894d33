"""One distribution over all items out of what the network and the experts say.

The equations are those of mixer.py; each expert is first confined to the items that may be predicted, so that the
mixture sums to one over these. It is exact over all items, computed in blocks of moments so that memory stays bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.counters import SMOOTHING
from models.distribution import Candidates
from models.experts import Experts
from models.memory import Windows
from models.mixer import Verdicts
from models.network import InterestNetwork, Reading

_LEAST = 1e-30
_FORBIDDEN = 1e9
_TRACE = 1e-28


@dataclass(frozen=True, slots=True)
class Moments:
    """P moments in users' lives: all that a prediction comes from."""

    reading: Reading
    windows: Windows
    """Newest step first"""
    steps: NDArray[np.int64]
    """[P] events of the user so far"""
    seen: NDArray[np.uint8] | None
    """[P, bytes] bitmap of the items that the user had; None where they may come back"""

    def __getitem__(self, rows: slice) -> "Moments":
        windows = Windows(self.windows.steps[rows], self.windows.valid[rows])
        return Moments(self.reading[rows], windows, self.steps[rows], None if self.seen is None else self.seen[rows])


@dataclass(frozen=True, slots=True)
class Voices:
    """What each expert says in a block, all confined to what may be predicted."""

    network: Tensor
    """[p, N + 1]"""
    log_network: Tensor
    popular: Tensor
    """[4, N + 1] for everybody, not yet confined"""
    log_popular: Tensor
    popular_sum: Tensor
    """[p, 4] what of `popular` may be predicted"""
    following: Tensor
    """[F, p, N + 1]"""
    log_following: Tensor
    features: NDArray[np.float64]
    """[p, FEATURES]"""
    weight: Tensor
    """[p, E] w(f)"""
    share: Tensor
    """[p, E + 1] π(f)"""
    product: Tensor
    """[p, N + 1] z"""

    def of(self, item: Tensor) -> tuple[Tensor, Tensor]:
        """[p, E] probability of one item [p] by each expert, and z's [p]."""
        at = item.unsqueeze(1)  # [p, 1]
        popular = self.popular[:, item].T / self.popular_sum  # [p, 4]
        following = self.following.gather(2, at.expand(len(self.following), -1, -1)).squeeze(2).T  # [p, F]
        own = torch.cat([self.network.gather(1, at), popular, following], 1)  # [p, E]
        return own, self.product.gather(1, at).squeeze(1)

    def verdicts(self, item: Tensor, weight: NDArray[np.float32]) -> Verdicts:
        """What was said of the items [p] that came."""
        own, product = self.of(item)
        at = item.unsqueeze(1)  # [p, 1]
        following = self.log_following.gather(2, at.expand(len(self.following), -1, -1)).squeeze(2).T  # [p, F]
        log_own = torch.cat([self.log_network.gather(1, at), self.log_popular[:, item].T, following], 1)  # [p, E]
        z = self.product
        mean = torch.cat(
            [
                (z * self.log_network).sum(1, keepdim=True),
                z @ self.log_popular.T,
                torch.einsum("pn,fpn->pf", z, self.log_following),
            ],
            1,
        )  # [p, E]
        columns = (each.double().cpu().numpy() for each in (own, product, log_own - mean))
        return Verdicts(self.features, weight.astype(np.float64), *columns)


@dataclass(frozen=True, slots=True)
class Block:
    """The distributions of some of the moments."""

    rows: slice
    """Which of the P"""
    p: Tensor
    """[p, N + 1] sums to one; all zero where nothing may be predicted"""
    allowed: Tensor
    """[p, N + 1] what may be predicted"""
    voices: Voices | None
    """None where the network speaks alone"""


def blocks(
    network: InterestNetwork,
    table: Tensor,
    candidates: Candidates,
    experts: Experts | None,
    moments: Moments,
    known: int,
) -> Iterator[Block]:
    """Distributions over the items up to `known`, block by block."""
    window = torch.from_numpy(moments.windows.item).to(candidates.device)  # [P, K]
    popular = None
    if experts is not None:
        popular = torch.from_numpy(experts.popular(known + 1)).to(candidates.device)  # [4, N + 1]
    copies = network.copying is not None
    for rows, scores in candidates.scores(network, table, moments.reading.interest, moments.seen, known):
        allowed = ~scores.isneginf()  # [p, N + 1]
        p = scores.softmax(1).nan_to_num_(nan=0.0)  # NaN in a row where nothing may be predicted
        if copies:
            copied = moments.reading.copied[rows].float()  # [p, K]
            p.mul_(1 - copied.sum(1, keepdim=True))
            p.scatter_add_(1, window[rows].clamp(max=known), copied)
        if experts is None or popular is None:
            yield Block(rows, p, allowed, None)
            continue
        yield _mixed(rows, p, allowed, popular, experts, moments)


def _mixed(rows: slice, network: Tensor, allowed: Tensor, popular: Tensor, experts: Experts, moments: Moments) -> Block:
    open_ = allowed.float()  # [p, N + 1]
    popular_sum = (open_ @ popular.T).clamp_min(_LEAST)  # [p, 4]
    # A trace of probability everywhere, so that logarithms exist; what is closed is shut again below.
    base = torch.addcmul(popular.new_tensor(_TRACE), open_, popular[-1] / popular_sum[:, -1:])  # [p, N + 1]
    following = experts.follow(moments.windows.item[rows], network.shape[1]).to(network.device)  # [F, p, N + 1]
    following.mul_(open_)
    total = following.sum(2, keepdim=True)  # [F, p, 1]
    known = total > 0
    following.mul_(torch.where(known, (1 - SMOOTHING) / total, 0.0))
    following.addcmul_(torch.where(known, SMOOTHING, 1.0), base)
    features = _features(moments.steps[rows], network, following[0])
    weight, share = (
        torch.from_numpy(each).to(network.device, torch.float32) for each in experts.mixer.weights(features)
    )
    log_network = network.clamp_min(_LEAST).log_()
    log_popular = popular.clamp_min(_LEAST).log_()
    log_following = following.log()
    last = 1 + len(popular)
    score = weight[:, 1:last] @ log_popular  # [p, N + 1]
    score.addcmul_(weight[:, :1], log_network)
    p = (share[:, 1:last] / popular_sum) @ popular  # [p, N + 1]
    p.addcmul_(share[:, :1], network)
    for number, (each, log_each) in enumerate(zip(following, log_following, strict=True), last):
        score.addcmul_(weight[:, number : number + 1], log_each)
        p.addcmul_(share[:, number : number + 1], each)
    # Filling by a mask of truth values is ten times slower than adding a number.
    score.add_(open_ * _FORBIDDEN - _FORBIDDEN)
    product = score.softmax(1).mul_(open_)  # [p, N + 1]
    p.mul_(open_).addcmul_(share[:, -1:], product)
    voices = Voices(
        network,
        log_network,
        popular,
        log_popular,
        popular_sum,
        following,
        log_following,
        features,
        weight,
        share,
        product,
    )
    return Block(rows, p, allowed, voices)


def _features(steps: NDArray[np.int64], network: Tensor, skip5: Tensor) -> NDArray[np.float64]:
    largest = torch.stack([network.amax(1), skip5.amax(1)]).double().cpu().numpy()  # [2, p]
    return np.column_stack([np.ones(len(steps)), np.log1p(steps) / 5, steps == 0, *largest])

"""Which of a user's past events carried the most probable item, and by whose word.

The item's probability is split among the experts by the mixture: its linear part by what each gives, its product by how
far each raises the item above its popularity. Each expert's share goes to the steps that it looks at: the network's by
attention and copying, the successors' by count. What popularity gives belongs to no event, and nothing is left over.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.experts.count_experts import RECENCY, CountExperts
from models.experts.mixture import Block, PredictionContexts
from models.experts.outputs import ExpertOutputs
from models.experts.popularity_counts import SMOOTHING


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of one item's probability at p moments; all 0 where there is no item."""

    step: NDArray[np.float64]
    """[p, K] each step's; without attention, what the LSTM's state gives is no single step's"""
    carrier: NDArray[np.float64]
    """[p, 4] each carrier's, by prediction.CARRIERS; sum to one"""


def shares(block: Block, contexts: PredictionContexts, experts: CountExperts | None, item: Tensor) -> Shares:
    """Who has which share in the block's items [p], 0 = none."""
    rows, windows = block.rows, contexts.windows
    target = item.cpu().numpy()
    attention = contexts.reading.attention[rows].double().cpu().numpy()  # [p, K]
    copied = contexts.reading.copied[rows].double().cpu().numpy()  # [p, K]
    if block.voices is None or experts is None:
        own = block.p.gather(1, item.unsqueeze(1)).double().cpu().numpy()  # [p, 1]
        part, following = np.ones_like(own), {}
    else:
        by_step = experts.shares(windows.item[rows], target)  # [F, p, K]
        following = dict(zip(experts.following, by_step, strict=True))
        own, part = _split(block.voices, item, len(following))  # [p, E] both
    again = _ratio(copied * (windows.item[rows] == target[:, None]), own[:, :1])  # [p, K]
    again /= np.maximum(again.sum(1, keepdims=True), 1)
    copying = part[:, 0] * again.sum(1)  # [p]
    read = part[:, 0] - copying  # [p]
    followed = np.zeros_like(read)  # [p]
    step = part[:, :1] * again + read[:, None] * attention  # [p, K]
    last = own.shape[1] - len(following)
    for number, (name, each) in enumerate(following.items(), last):
        popular = _ratio(SMOOTHING * own[:, last - 1], own[:, number])  # [p]
        given = (part[:, number] * np.clip(1 - popular, 0, 1))[:, None] * each  # [p, K]
        step += given
        if name == RECENCY:
            copying += given.sum(1)
        else:
            followed += given.sum(1)
    carrier = np.stack([read, copying, followed, 1 - read - copying - followed], 1).clip(min=0)  # [p, 4]
    said = target[:, None] > 0
    return Shares(step * said, carrier * said)


def heaviest(
    item: NDArray[np.int64], weight: NDArray[np.float64], count: int
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
    largest: NDArray[np.float32] = share[rows, best].astype(np.float32)
    chosen: NDArray[np.int64] = np.where(largest > 0, item[rows, best], 0)
    return chosen, largest


def _split(voices: ExpertOutputs, item: Tensor, following: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[p, E] each expert's probability of the items [p], and its part in the mixture's; the rest is popularity's."""
    own, product = (each.double().cpu().numpy() for each in voices.of(item))  # [p, E], [p]
    weight, share = (each.double().cpu().numpy() for each in (voices.weight, voices.share))
    last = own.shape[1] - following
    popular = own[:, last - 1 : last]  # [p, 1], for ever
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.maximum(weight * np.log(own / popular), 0)  # [p, E]
    lift[:, 1:last] = 0
    lift = np.nan_to_num(lift, nan=0.0, posinf=0.0)
    raised = lift.sum(1, keepdims=True)
    linear, mixed = share[:, :-1] * own, (share[:, -1] * product)[:, None]
    part = linear + _ratio(lift, raised) * (1 - np.exp(-raised)) * mixed  # [p, E]
    return own, _ratio(part, linear.sum(1, keepdims=True) + mixed)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quotient, and 0 where the whole is 0."""
    whole = np.broadcast_to(whole, part.shape)
    out: NDArray[np.float64] = np.zeros_like(part)
    np.divide(part, whole, out=out, where=whole > 0)
    return out

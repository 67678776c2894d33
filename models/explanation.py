"""Which of a user's past events carried the most probable item.

The item's probability is split among the experts by the mixture: its linear part by what each gives, its product by how
far each raises the item above its popularity. Each expert's share goes to the steps that it looks at: the network's by
attention and copying, the successors' by count. What popularity gives belongs to no event.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.counters import SMOOTHING
from models.experts import Experts
from models.mixture import Block, Moments


def shares(block: Block, moments: Moments, experts: Experts | None, item: Tensor) -> NDArray[np.float64]:
    """[p, K] share of each step of the windows in the block's items [p]; the rest to one is popularity's."""
    rows, windows = block.rows, moments.windows
    target = item.cpu().numpy()
    attention = moments.reading.attention[rows].double().cpu().numpy()  # [p, K]
    copied = moments.reading.copied[rows].double().cpu().numpy()  # [p, K]
    again = copied * (windows.item[rows] == target[:, None])
    if block.voices is None or experts is None:
        own = block.p.gather(1, item.unsqueeze(1)).double().cpu().numpy()  # [p, 1]
        return _network_shares(attention, again, own)
    voices = block.voices
    own, product = (each.double().cpu().numpy() for each in voices.of(item))  # [p, E], [p]
    weight, share = (each.double().cpu().numpy() for each in (voices.weight, voices.share))
    last = own.shape[1] - len(experts.following)
    popular = own[:, last - 1 : last]  # [p, 1], for ever
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.maximum(weight * np.log(own / popular), 0)  # [p, E]
    lift[:, 1:last] = 0
    lift = np.nan_to_num(lift, nan=0.0, posinf=0.0)
    raised = lift.sum(1, keepdims=True)
    parts = share[:, :-1] * own  # [p, E]
    parts += _ratio(lift, raised) * (1 - np.exp(-raised)) * (share[:, -1] * product)[:, None]
    total = (share[:, :-1] * own).sum(1, keepdims=True) + (share[:, -1] * product)[:, None]
    parts = _ratio(parts, total)
    out = parts[:, :1] * _network_shares(attention, again, own[:, :1])  # [p, K]
    by_step = experts.shares(windows.item[rows], target)  # [F, p, K]
    for number, each in enumerate(by_step, last):
        counted = np.clip(1 - _ratio(SMOOTHING * popular, own[:, number : number + 1]), 0, 1)
        out += parts[:, number : number + 1] * counted * each
    return out


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


def _network_shares(
    attention: NDArray[np.float64], again: NDArray[np.float64], own: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[p, K] shares of the steps in the network's probability `own` [p, 1], of which copying them gave `again`."""
    copied = np.minimum(_ratio(again, own), 1)  # [p, K]
    attended: NDArray[np.float64] = attention * (1 - copied.sum(1, keepdims=True)).clip(min=0)
    return copied + attended


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quotient, and 0 where the whole is 0."""
    whole = np.broadcast_to(whole, part.shape)
    out: NDArray[np.float64] = np.zeros_like(part)
    np.divide(part, whole, out=out, where=whole > 0)
    return out

"""Attribution: which of a user's past events, and which experts, the most probable item's probability comes from.

The probability is split among the experts: its linear part π_i p_i by what each adds, the product's part π_z z by how
far each expert raises the item above its popularity. An expert's share is split among the past events that it reads:
the network's by attention and copying, a history expert's by counts. Popularity's share belongs to no event. The
shares sum to one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.experts.count_experts import REPEAT, CountExperts
from models.experts.mixture import MixtureBlock, PredictionContexts
from models.experts.popularity_counts import SMOOTHING
from models.transfers import to_host


@dataclass(frozen=True, slots=True)
class Attribution:
    """Shares in one item's probability for p predictions; all 0 where there is no item."""

    event: NDArray[np.float64]
    """[p, K] of each of the user's last events; without attention, the LSTM's share belongs to none of them"""
    carrier: NDArray[np.float64]
    """[p, 4] of each of predictions.CARRIERS; sum to one"""


def attribute(
    block: MixtureBlock, contexts: PredictionContexts, counts: CountExperts | None, item: Tensor
) -> Attribution:
    """Shares in the probability of the block's items [p], 0 = none; `counts` are those of the mixture."""
    rows, windows = block.rows, contexts.windows
    output, outputs = contexts.network_output, block.outputs
    tensors = [output.attention[rows], output.copied[rows]]
    if outputs is None or counts is None:
        tensors.append(block.p.gather(1, item.unsqueeze(1)))
    else:
        tensors += [*outputs.item_p(item), outputs.product_weight, outputs.mixture_weight]
    target, *arrays = to_host([item, *(tensor.double() for tensor in tensors)])
    attention, copied, expert_p = arrays[:3]  # [p, K] both, [p, E]
    if outputs is None or counts is None:
        expert_share, history_shares = np.ones_like(expert_p), {}
    else:
        by_event = counts.history_shares(windows.item[rows], target)  # [F, p, K]
        history_shares = dict(zip(counts.history_names, by_event, strict=True))
        expert_share = _expert_shares(len(history_shares), *arrays[2:])  # [p, E]
    copy_share = _ratio(copied * (windows.item[rows] == target[:, None]), expert_p[:, :1])  # [p, K]
    copy_share /= np.maximum(copy_share.sum(1, keepdims=True), 1)
    copying = expert_share[:, 0] * copy_share.sum(1)  # [p]
    attended = expert_share[:, 0] - copying  # [p]
    following = np.zeros_like(attended)  # [p]
    event = expert_share[:, :1] * copy_share + attended[:, None] * attention  # [p, K]
    first = expert_p.shape[1] - len(history_shares)
    for expert, (name, share_by_event) in enumerate(history_shares.items(), first):
        from_popularity = _ratio(SMOOTHING * expert_p[:, first - 1], expert_p[:, expert])  # [p]
        from_counts = expert_share[:, expert] * np.clip(1 - from_popularity, 0, 1)  # [p]
        event_share = from_counts[:, None] * share_by_event  # [p, K]
        event += event_share
        if name == REPEAT:
            copying += event_share.sum(1)
        else:
            following += event_share.sum(1)
    popular = 1 - attended - copying - following
    carrier = np.stack([attended, copying, following, popular], 1).clip(min=0)  # [p, 4]
    has_item = target[:, None] > 0
    return Attribution(event * has_item, carrier * has_item)


def top_items(
    item: NDArray[np.int64], weight: NDArray[np.float64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Items [P, b] with the largest summed weight in each row [P, K], 0 where there are fewer, and those sums."""
    rows = np.arange(len(item))[:, None]
    order = np.argsort(item, axis=1)  # [P, K]
    item, weight = item[rows, order], weight[rows, order]
    running = np.cumsum(weight, axis=1, dtype=np.float64)
    last_of_item = np.ones(item.shape, dtype=np.bool_)
    last_of_item[:, :-1] = item[:, 1:] != item[:, :-1]
    # The sum of a run of equal items: the running sum at its end less the one at the end of the run before.
    run_end = np.maximum.accumulate(np.where(last_of_item, running, 0), axis=1)
    total = running.copy()
    total[:, 1:] -= run_end[:, :-1]
    total = np.where(last_of_item & (item > 0), total, 0)
    top = np.argsort(-total, axis=1, kind="stable")[:, :count]  # [P, b]
    top_total: NDArray[np.float32] = total[rows, top].astype(np.float32)
    top_item: NDArray[np.int64] = np.where(top_total > 0, item[rows, top], 0)
    return top_item, top_total


def _expert_shares(
    history_experts: int,
    expert_p: NDArray[np.float64],
    product_p: NDArray[np.float64],
    product_weight: NDArray[np.float64],
    mixture_weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """[p, E] each expert's share in the mixture's probability of an item; the rest is popularity's.

    As in `ExpertOutputs`: `expert_p` [p, E] and `product_p` [p] of the item, the weights [p, E] and [p, E + 1].
    """
    first = expert_p.shape[1] - history_experts
    popular = expert_p[:, first - 1 : first]  # [p, 1], the undecayed one
    with np.errstate(divide="ignore", invalid="ignore"):
        log_boost = np.maximum(product_weight * np.log(expert_p / popular), 0)  # [p, E]
    log_boost[:, 1:first] = 0
    log_boost = np.nan_to_num(log_boost, nan=0.0, posinf=0.0)
    total_boost = log_boost.sum(1, keepdims=True)  # [p, 1]
    linear = mixture_weight[:, :-1] * expert_p  # [p, E]
    product = (mixture_weight[:, -1] * product_p)[:, None]  # [p, 1]
    share = linear + _ratio(log_boost, total_boost) * (1 - np.exp(-total_boost)) * product  # [p, E]
    return _ratio(share, linear.sum(1, keepdims=True) + product)


def _ratio(part: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quotient, and 0 where the total is 0."""
    total = np.broadcast_to(total, part.shape)
    quotient: NDArray[np.float64] = np.zeros_like(part)
    np.divide(part, total, out=quotient, where=total > 0)
    return quotient

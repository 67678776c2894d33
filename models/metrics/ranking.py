"""Rank and log-probability of the items that came, among what had been predicted."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.transfers import to_host

_MIN_P = 1e-38
"""A smaller probability, as of one that underflows, is taken for this"""


@dataclass(frozen=True, slots=True)
class TargetScores:
    """How n events were predicted right before they came. NaN throughout where the event has no item."""

    rank: NDArray[np.float64]
    """[n] of the item, from 1, ties by their mean; infinite where it was no candidate"""
    log_p: NDArray[np.float64]
    """[n] logarithm of the item's probability; -inf where it was no candidate"""
    top1_p: NDArray[np.float64]
    """[n] probability of the most probable item"""
    top1_hit: NDArray[np.float64]
    """[n] 1 where that item came, else 0"""


def target_rank(
    weight: Tensor, candidate: Tensor, item: Tensor, total: Tensor | float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rank and log-probability [p] of one item [p] each among the candidates, as in `TargetScores`.

    `weight` [p, N + 1], or [N + 1] for all alike, sums to `total` [p] over the candidates, bool [p, N + 1].
    """
    index = item.unsqueeze(1)  # [p, 1]
    target = weight.expand_as(candidate).gather(1, index)  # [p, 1]
    greater = ((weight > target) & candidate).sum(1, dtype=torch.int32)  # [p]
    not_less = ((weight >= target) & candidate).sum(1, dtype=torch.int32)  # [p]
    possible, ranks, p = to_host(
        [candidate.gather(1, index).squeeze(1), greater + not_less, (target.squeeze(1) / total).double()]
    )
    rank = np.where(possible, (ranks + 1) / 2, np.inf)
    return rank, np.where(possible, np.log(np.clip(p, _MIN_P, 1)), -np.inf)

"""How well predictions foresaw what came."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LEAST = 1e-38
"""Where a probability underflows, it is taken for this"""


@dataclass(frozen=True, slots=True)
class Scores:
    """For each of n events, what had been said of it right before. NaN throughout where the event has no item."""

    rank: NDArray[np.float64]
    """[n] of the item, from 1, ties by their mean; infinite where it could not be predicted"""
    log_p: NDArray[np.float64]
    """[n] logarithm of the item's probability; -inf where it could not be predicted"""
    top1_p: NDArray[np.float64]
    """[n] probability of the most probable item"""
    top1_hit: NDArray[np.float64]
    """[n] 1 where that item came, else 0"""


def place(
    weight: Tensor, allowed: Tensor, item: Tensor, total: Tensor | float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rank and log-probability [p] of one item [p] each among those `allowed` [p, N + 1], as `Scores` has them.

    `weight` [p, N + 1], or [N + 1] for all alike, sums to `total` [p] over what is allowed.
    """
    at = item.unsqueeze(1)  # [p, 1]
    own = weight.expand_as(allowed).gather(1, at)  # [p, 1]
    ahead = ((weight > own) & allowed).sum(1, dtype=torch.int32)  # [p]
    no_worse = ((weight >= own) & allowed).sum(1, dtype=torch.int32)  # [p]
    possible = allowed.gather(1, at).squeeze(1).cpu().numpy()
    rank = np.where(possible, ((ahead + no_worse).cpu().numpy() + 1) / 2, np.inf)
    p = (own.squeeze(1) / total).double().cpu().numpy()
    return rank, np.where(possible, np.log(np.clip(p, _LEAST, 1)), -np.inf)

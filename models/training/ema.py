"""A running mean of the weights that all items share: what a step learns by chance evens out (Polyak & Juditsky, 1992).

The rows of single items stay out of it: few steps touch one, and what it learns from them is news.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

# R@10, MRR@20 and log-loss on ml-100k's events from 49 % to 70 %, one pass: .2372, .0975, 5.314 without; .2401, .0998,
# 5.301 with .95; .2423, .1001, 5.299 with .98; .2381, .1004, 5.310 with .98 and the items' rows in it, which costs
# wikipedia .0011 of R@10.
_DECAY = 0.98
_WARM_UP = 10


class RunningMean:
    """An exponential mean over steps, which forgets faster in the beginning: of n steps, the last ninth counts."""

    def __init__(self) -> None:
        self._mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Take in the tensors after the `step`th step. Names and shapes are always the same."""
        if not self._mean:
            self._mean = {name: tensor.detach().clone() for name, tensor in tensors.items()}
            return
        decay = min(_DECAY, (1 + step) / (_WARM_UP + step))
        for name, mean in self._mean.items():
            mean.lerp_(tensors[name].detach(), 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """Copy of the mean on the CPU; empty before the first step."""
        return {name: mean.to("cpu", copy=True) for name, mean in self._mean.items()}
